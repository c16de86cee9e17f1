//! One binary a target: see the crate `tocco-fuzz`, which says what is checked.

pub use libfuzzer_sys;
pub use tocco_fuzz;

/// Makes the binary of the target with this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: $crate::tocco_fuzz::CountingAllocator =
            $crate::tocco_fuzz::CountingAllocator;

        static TARGET: std::sync::LazyLock<&$crate::tocco_fuzz::Target> =
            std::sync::LazyLock::new(|| {
                let mut targets = $crate::tocco_fuzz::TARGETS.iter();
                targets.find(|target| target.name == $name).expect("a target of this name")
            });

        $crate::libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET.check(bytes));
    };
}
