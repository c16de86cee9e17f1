//! A plugin of QEMU's user-mode emulation: counts the instructions that each emulated thread
//! executes. Where the program executes the mark `hint #80`, which no processor heeds, the count of
//! its thread is noted. When the program ends, the notes are written to the file that the argument
//! `out=FILE` names: a line for each mark, thread and count.
//!
//! A block of instructions is counted when it begins. The mark stands at the beginning of a function
//! of its own, so a count is right to the two instructions of that function.
//!
//! Written after QEMU's documentation of "TCG Plugins", version 1 of their interface (QEMU 4.2 and
//! later).

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The interface's version.
// QEMU reads it by this name.
#[allow(non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// `hint #80` of aarch64, as it lies in memory.
const MARK: [u8; 4] = 0xd503_2a1f_u32.to_le_bytes();

/// Emulated threads that are told apart.
const THREADS: usize = 256;

/// `QEMU_PLUGIN_CB_NO_REGS`: what is called does not look at registers.
const NO_REGISTERS: c_int = 0;

static COUNTS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];
static MARKS: Mutex<Vec<(u32, u64)>> = Mutex::new(Vec::new());
static OUT: Mutex<Option<PathBuf>> = Mutex::new(None);

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, translated: extern "C" fn(u64, *mut c_void));
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut c_void,
        executed: extern "C" fn(c_uint, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_atexit_cb(
        id: u64,
        ended: extern "C" fn(u64, *mut c_void),
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const c_void, index: usize) -> *mut c_void;
    fn qemu_plugin_insn_data(instruction: *const c_void) -> *const c_void;
    fn qemu_plugin_insn_size(instruction: *const c_void) -> usize;
}

/// QEMU calls it first. Returns 0, or -1 if the argument `out=FILE` is missing.
///
/// # Safety
/// For QEMU alone: `arguments` are `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _qemu: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let out = (0..count.max(0) as usize).find_map(|index| {
        // SAFETY: QEMU gives `count` C strings.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        argument
            .to_str()
            .ok()?
            .strip_prefix("out=")
            .map(PathBuf::from)
    });
    if out.is_none() {
        eprintln!("tocco-count: say out=FILE");
        return -1;
    }
    *OUT.lock().unwrap_or_else(PoisonError::into_inner) = out;
    // SAFETY: the functions stay as long as the plugin is loaded, which is to the end.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, ended, std::ptr::null_mut());
    }
    0
}

/// A block of instructions has been translated.
extern "C" fn translated(_id: u64, block: *mut c_void) {
    // SAFETY: the block and its instructions are there during this call.
    unsafe {
        let length = qemu_plugin_tb_n_insns(block);
        let is_mark = |index| {
            let instruction = qemu_plugin_tb_get_insn(block, index);
            let size = qemu_plugin_insn_size(instruction);
            let bytes = qemu_plugin_insn_data(instruction).cast::<u8>();
            std::slice::from_raw_parts(bytes, size) == MARK
        };
        let executed = if (0..length).any(is_mark) {
            marked
        } else {
            counted
        };
        // The length travels in the pointer.
        let data = std::ptr::without_provenance_mut(length);
        qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, data);
    }
}

extern "C" fn counted(thread: c_uint, length: *mut c_void) {
    if let Some(count) = COUNTS.get(thread as usize) {
        count.fetch_add(length.addr() as u64, Ordering::Relaxed);
    }
}

extern "C" fn marked(thread: c_uint, length: *mut c_void) {
    if let Some(count) = COUNTS.get(thread as usize) {
        let mut marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((thread, count.load(Ordering::Relaxed)));
    }
    counted(thread, length);
}

extern "C" fn ended(_id: u64, _data: *mut c_void) {
    let marks = MARKS.lock().unwrap_or_else(PoisonError::into_inner);
    let out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    for (thread, count) in marks.iter() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{thread} {count}");
    }
    if let Some(out) = &*out
        && let Err(error) = std::fs::write(out, text)
    {
        eprintln!("tocco-count: {}: {error}", out.display());
    }
}
