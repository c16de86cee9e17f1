//! Refuses a library that asks for something which the machine it is meant for may not have: a
//! newer glibc, another library, an instruction of a later processor.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{self, Machine};
use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};

/// What a library may ask for.
#[derive(Debug)]
pub struct Limits {
    machine: Machine,
    /// The newest glibc whose symbols may be asked for: major and minor.
    glibc: (u32, u32),
    /// File names of the libraries that may be asked for.
    libraries: &'static [&'static str],
    /// Families of instructions that the processor lacks.
    lacking: &'static [Instructions],
    /// Parts of the names of functions that may use them all the same: they do so only where the
    /// processor, asked first, has them.
    asked_for: &'static [&'static str],
}

impl Limits {
    /// A PC with no more than the least that a Linux with glibc is made of. Which glibc is needed the archive
    /// says itself.
    pub const BARE_PC: Self = Self {
        machine: elf::EM_X86_64,
        glibc: (u32::MAX, u32::MAX),
        libraries: &[
            "libc.so.6",
            "libm.so.6",
            "libpthread.so.0",
            "libdl.so.2",
            "librt.so.1",
            "libgcc_s.so.1",
            "ld-linux-x86-64.so.2",
        ],
        lacking: &[],
        asked_for: &[],
    };

    /// A Raspberry Pi 4 with any Elk Audio OS since its paper of 2022.
    pub const RASPBERRY_PI: Self = Self {
        machine: elf::EM_AARCH64,
        glibc: (2, 31),
        // All of glibc. The C++ library and GCC's are not among them.
        libraries: &[
            "libc.so.6",
            "libm.so.6",
            "libpthread.so.0",
            "libdl.so.2",
            "librt.so.1",
            "ld-linux-aarch64.so.1",
        ],
        lacking: LACKED_BY_THE_PI,
        asked_for: &[
            // The checksum of archives, of which TorchScript's model files are some.
            "crc32fast11specialized7aarch6415calculate_pmull",
            // The unwinder reads the length of scalable vectors for frames of functions that use them.
            "libunwind",
        ],
    };
}

/// Instructions whose words have `value` under `mask`.
#[derive(Debug)]
struct Instructions {
    name: &'static str,
    mask: u32,
    value: u32,
}

const fn instructions(name: &'static str, mask: u32, value: u32) -> Instructions {
    Instructions { name, mask, value }
}

/// What a Cortex-A72 without cryptography lacks: the encodings are those of the Arm Architecture
/// Reference Manual for A-profile (DDI 0487), chapter C4. It has all of Armv8.0 and CRC32.
const LACKED_BY_THE_PI: &[Instructions] = &[
    instructions("AES", 0xffff_cc00, 0x4e28_4800),
    instructions("PMULL of 64 bits (AES)", 0xbfe0_fc00, 0x0ee0_e000),
    instructions("SHA1 or SHA256", 0xffe0_8c00, 0x5e00_0000),
    instructions("SHA1 or SHA256", 0xffff_0c00, 0x5e28_0800),
    instructions(
        "SHA3, SHA512, SM3 or SM4 (Armv8.2)",
        0xff00_0000,
        0xce00_0000,
    ),
    instructions(
        "atomic memory operation (Armv8.1)",
        0x3f20_0c00,
        0x3820_0000,
    ),
    instructions("compare and swap (Armv8.1)", 0x3fa0_7c00, 0x08a0_7c00),
    instructions(
        "compare and swap of a pair (Armv8.1)",
        0xbfa0_7c00,
        0x0820_7c00,
    ),
    instructions("load-acquire RCpc (Armv8.4)", 0x3f20_0c00, 0x1900_0000),
    instructions(
        "rounding doubling multiply (Armv8.1)",
        0xbf00_d400,
        0x2f00_d000,
    ),
    instructions(
        "rounding doubling multiply, scalar (Armv8.1)",
        0xdf20_8400,
        0x5e00_8400,
    ),
    instructions(
        "dot product or complex numbers (Armv8.2)",
        0x9f20_8400,
        0x0e00_8400,
    ),
    instructions("dot product by element (Armv8.2)", 0x9f00_f400, 0x0f00_e000),
    instructions(
        "arithmetic of 16-bit floats (Armv8.2)",
        0x7fc0_0000,
        0x1ec0_0000,
    ),
    instructions(
        "arithmetic of 16-bit floats (Armv8.2)",
        0xffc0_0000,
        0x1fc0_0000,
    ),
    instructions(
        "vectors of 16-bit floats (Armv8.2)",
        0x9f60_c400,
        0x0e40_0400,
    ),
    instructions(
        "vectors of 16-bit floats (Armv8.2)",
        0x9f7e_0c00,
        0x0e78_0800,
    ),
    instructions(
        "vectors of 16-bit floats by element (Armv8.2)",
        0x9fc0_3400,
        0x0f00_1000,
    ),
    instructions(
        "conversion as in JavaScript (Armv8.3)",
        0xffff_fc00,
        0x1e7e_0000,
    ),
    instructions("signed pointers (Armv8.3)", 0xffff_fbff, 0xd65f_0bff),
    instructions("signed pointers (Armv8.3)", 0xfedf_f800, 0xd61f_0800),
    instructions("scalable vectors (SVE)", 0x1e00_0000, 0x0400_0000),
];

/// Between 16-bit floats and wider ones: in Armv8.0, though among the 16-bit arithmetic of 8.2.
const HALF_CONVERSION: (u32, u32) = (0xfffe_7c00, 0x1ee2_4000);

/// Checks that the library at `path` stays within `limits`.
///
/// # Errors
/// Names the first symbol, library or function that does not.
pub fn check(path: &Path, limits: &Limits) -> Result<()> {
    let data = fs::read(path).with_context(|| path.display().to_string())?;
    check_library(&data, limits).with_context(|| path.display().to_string())
}

fn check_library(data: &[u8], limits: &Limits) -> Result<()> {
    let file = ElfFile64::<Endianness>::parse(data)?;
    let machine = file.elf_header().e_machine(file.endian());
    ensure!(
        machine == limits.machine,
        "is for another machine: expected {:?}, found {machine:?}",
        limits.machine
    );
    check_libraries(&file, limits)?;
    check_versions(&file, limits)?;
    check_instructions(&file, limits)
}

fn check_libraries(file: &ElfFile64<'_, Endianness>, limits: &Limits) -> Result<()> {
    let dynamic = file.elf_dynamic_table()?;
    for entry in &dynamic {
        if entry.tag != elf::DT_NEEDED {
            continue;
        }
        let name = String::from_utf8_lossy(dynamic.string(entry)?).into_owned();
        ensure!(
            limits.libraries.contains(&name.as_str()),
            "needs {name}, which the machine may not have; it may need {}",
            limits.libraries.join(", ")
        );
    }
    Ok(())
}

fn check_versions(file: &ElfFile64<'_, Endianness>, limits: &Limits) -> Result<()> {
    let endian = file.endian();
    let sections = file.elf_section_table();
    let Some(versions) = sections.versions(endian, file.data())? else {
        bail!("has no versions of symbols: it is not linked against glibc");
    };
    let (major, minor) = limits.glibc;
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_undefined) {
        let index = versions.version_index(endian, symbol.index());
        let Some(version) = versions.version(index.index())? else {
            continue;
        };
        let version = String::from_utf8_lossy(version.name()).into_owned();
        if let Some(found) = glibc_version(&version)
            && found > limits.glibc
        {
            bail!(
                "needs {}@{version}; the newest that it may need is GLIBC_{major}.{minor}",
                symbol.name()?
            );
        }
    }
    Ok(())
}

/// Major and minor of `GLIBC_2.31`; none for other names.
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let (major, minor) = name.strip_prefix("GLIBC_")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The newest glibc and libstdc++ that a library asks for.
#[derive(Debug, Default)]
pub struct Needs {
    /// Major and minor of `GLIBC_…`.
    pub glibc: (u32, u32),
    /// Patch of `GLIBCXX_3.4`; none if it does not ask for the C++ library.
    pub glibcxx: Option<u32>,
}

/// What the library at `path` asks for.
///
/// # Errors
/// If it cannot be read.
pub fn needs(path: &Path) -> Result<Needs> {
    let data = fs::read(path).with_context(|| path.display().to_string())?;
    let file =
        ElfFile64::<Endianness>::parse(&*data).with_context(|| path.display().to_string())?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let mut needs = Needs::default();
    let Some(versions) = sections.versions(endian, file.data())? else {
        return Ok(needs);
    };
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_undefined) {
        let index = versions.version_index(endian, symbol.index());
        let Some(version) = versions.version(index.index())? else {
            continue;
        };
        let version = String::from_utf8_lossy(version.name()).into_owned();
        if let Some(found) = glibc_version(&version) {
            needs.glibc = needs.glibc.max(found);
        } else if let Some(patch) = version.strip_prefix("GLIBCXX_3.4") {
            let patch = patch.strip_prefix('.').map_or(Ok(0), str::parse)?;
            needs.glibcxx = needs.glibcxx.max(Some(patch));
        }
    }
    Ok(needs)
}

fn check_instructions(file: &ElfFile64<'_, Endianness>, limits: &Limits) -> Result<()> {
    // The assembler marks what is not code: `$d` where data begins, `$x` where code does.
    let mut marks: Vec<(u64, bool)> = Vec::new();
    let mut functions: Vec<(u64, &str)> = Vec::new();
    for symbol in file.symbols() {
        let name = symbol.name().unwrap_or_default();
        match name.as_bytes() {
            [b'$', kind @ (b'd' | b'x')] | [b'$', kind @ (b'd' | b'x'), b'.', ..] => {
                marks.push((symbol.address(), *kind == b'd'));
            }
            _ if symbol.kind() == SymbolKind::Text => functions.push((symbol.address(), name)),
            _ => {}
        }
    }
    marks.sort_unstable();
    functions.sort_unstable();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        if !sh_flags.contains(elf::SHF_EXECINSTR) {
            continue;
        }
        for (word, address) in section
            .data()?
            .chunks_exact(4)
            .zip((section.address()..).step_by(4))
        {
            let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            let Some(name) = lacked(word, limits.lacking) else {
                continue;
            };
            let is_data = last_before(&marks, address).is_some_and(|(_, data)| *data);
            if !is_data {
                let function = last_before(&functions, address).map_or("?", |(_, name)| name);
                if limits.asked_for.iter().any(|part| function.contains(part)) {
                    continue;
                }
                bail!(
                    "uses an instruction that the processor lacks: {name}, {word:08x} at \
                     {address:#x} in {function}"
                );
            }
        }
    }
    Ok(())
}

/// The last entry at or before `address`, of entries in order.
fn last_before<T>(entries: &[(u64, T)], address: u64) -> Option<&(u64, T)> {
    let next = entries.partition_point(|(start, _)| *start <= address);
    entries[..next].last()
}

/// The family of `word` among those that are lacking.
fn lacked(word: u32, lacking: &'static [Instructions]) -> Option<&'static str> {
    if word & HALF_CONVERSION.0 == HALF_CONVERSION.1 {
        return None;
    }
    lacking
        .iter()
        .find(|family| word & family.mask == family.value)
        .map(|family| family.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As GNU as writes them, with what it was given.
    #[rustfmt::skip]
    const LACKED: &[u32] = &[
        0x4e28_4841, // aese v1.16b, v2.16b
        0x4e28_785f, // aesimc v31.16b, v2.16b
        0x0ee3_e041, // pmull v1.1q, v2.1d, v3.1d
        0x4ee3_e041, // pmull2 v1.1q, v2.2d, v3.2d
        0x5e03_0041, // sha1c q1, s2, v3.4s
        0x5e03_4041, // sha256h q1, q2, v3.4s
        0x5e28_0841, // sha1h s1, s2
        0x5e28_2841, // sha256su0 v1.4s, v2.4s
        0xce63_8041, // sha512h q1, q2, v3.2d
        0xce03_1041, // eor3 v1.16b, v2.16b, v3.16b, v4.16b
        0xf8e1_0062, // ldaddal x1, x2, [x3]
        0x3821_8062, // swpb w1, w2, [x3]
        0xf8bf_c041, // ldapr x1, [x2]
        0x88e1_fc62, // casal w1, w2, [x3]
        0x08a1_7c62, // casb w1, w2, [x3]
        0x4822_7cc4, // casp x2, x3, x4, x5, [x6]
        0xd940_8041, // ldapur x1, [x2, #8]
        0x6fa3_d041, // sqrdmlah v1.4s, v2.4s, v3.s[1]
        0x7e83_8441, // sqrdmlah s1, s2, s3
        0x6e83_8c41, // sqrdmlsh v1.4s, v2.4s, v3.4s
        0x6e83_9441, // udot v1.4s, v2.16b, v3.16b
        0x4fa3_e041, // sdot v1.4s, v2.16b, v3.4b[1]
        0x6e83_cc41, // fcmla v1.4s, v2.4s, v3.4s, #90
        0x1ee3_2841, // fadd h1, h2, h3
        0x9ee2_0041, // scvtf h1, x2
        0x1fc3_1041, // fmadd h1, h2, h3, h4
        0x4e43_0c41, // fmla v1.8h, v2.8h, v3.8h
        0x4ef8_f841, // fabs v1.8h, v2.8h
        0x4f13_1041, // fmla v1.8h, v2.8h, v3.h[1]
        0x1e7e_0041, // fjcvtzs w1, d2
        0xd65f_0bff, // retaa
        0xd71f_0822, // braa x1, x2
        0x04a3_0041, // add z1.s, z2.s, z3.s
        0x4e83_a441, // smmla v1.4s, v2.16b, v3.16b
        0x6e43_fc41, // bfdot v1.4s, v2.8h, v3.8h
    ];

    /// Neighbours of those among what a Cortex-A72 has.
    #[rustfmt::skip]
    const THERE: &[u32] = &[
        0x1e23_c041, // fcvt h1, s2
        0x1ee2_4041, // fcvt s1, h2
        0x1ee2_c041, // fcvt d1, h2
        0x9ac3_4c41, // crc32x w1, w2, x3
        0x0e23_e041, // pmull v1.8h, v2.8b, v3.8b
        0xf863_7841, // ldr x1, [x2, x3, lsl #3]
        0xc85f_7c41, // ldxr x1, [x2]
        0xc801_fc62, // stlxr w1, x2, [x3]
        0xc87f_8861, // ldaxp x1, x2, [x3]
        0xc821_0c82, // stxp w1, x2, x3, [x4]
        0xc8df_fc41, // ldar x1, [x2]
        0x4e23_cc41, // fmla v1.4s, v2.4s, v3.4s
        0x4fa3_1041, // fmla v1.4s, v2.4s, v3.s[1]
        0x4fc3_1841, // fmla v1.2d, v2.2d, v3.d[1]
        0x4fa3_d041, // sqrdmulh v1.4s, v2.4s, v3.s[1]
        0x2f53_2041, // umlal v1.4s, v2.4h, v3.h[1]
        0x4e0c_0441, // dup v1.4s, v2.s[1]
        0x5e0c_0441, // mov s1, v2.s[1]
        0x6e0c_0441, // mov v1.s[1], v2.s[0]
        0x4e03_0041, // tbl v1.16b, {v2.16b}, v3.16b
        0x4e83_3841, // zip1 v1.4s, v2.4s, v3.4s
        0x6e03_2041, // ext v1.16b, v2.16b, v3.16b, #4
        0x0e21_7841, // fcvtl v1.4s, v2.4h
        0x1e23_2841, // fadd s1, s2, s3
        0x1f43_1041, // fmadd d1, d2, d3, d4
        0x9e62_0041, // scvtf d1, x2
        0x1e02_f441, // scvtf s1, w2, #3
        0x9e66_0041, // fmov x1, d2
        0x1e20_2028, // fcmp s1, #0.0
        0x1e23_0c41, // fcsel s1, s2, s3, eq 
        0xd65f_03c0, // ret
        0xd61f_0020, // br x1
        0xd503_23bf, // autiasp
        0x9000_0001, // adrp x1, 0 <.text>
        0x9100_4041, // add x1, x2, #0x10
        0xa940_0be1, // ldp x1, x2, [sp]
        0xad00_0861, // stp q1, q2, [x3]
        0x3dc0_0441, // ldr q1, [x2, #16]
        0x4f00_0421, // movi v1.4s, #0x1
        0x4f03_f601, // fmov v1.4s, #1.000000000000000000e+00
        0x4f23_5441, // shl v1.4s, v2.4s, #3
        0x4ea0_0841, // rev64 v1.4s, v2.4s
        0x0e20_5841, // cnt v1.8b, v2.8b
        0x6ea1_d841, // frsqrte v1.4s, v2.4s
        0x5ea1_d841, // frecpe s1, s2
        0x5ef1_b841, // addp d1, v2.2d
        0x7e30_d841, // faddp s1, v2.2s
        0x0f53_b041, // sqdmull v1.4s, v2.4h, v3.h[1]
        0x4cdf_7841, // ld1 {v1.4s}, [x2], #16
        0xd53b_d041, // mrs x1, tpidr_el0
    ];

    #[test]
    fn instructions_that_a_pi_lacks_are_known() {
        for &word in LACKED {
            assert!(lacked(word, LACKED_BY_THE_PI).is_some(), "{word:08x}");
        }
        for &word in THERE {
            assert_eq!(lacked(word, LACKED_BY_THE_PI), None, "{word:08x}");
        }
    }

    #[test]
    fn every_family_has_an_example() {
        for family in LACKED_BY_THE_PI {
            let example = LACKED
                .iter()
                .find(|word| *word & family.mask == family.value);
            assert!(example.is_some(), "{family:?}");
        }
    }

    #[test]
    fn versions_of_glibc_are_numbers() {
        assert_eq!(glibc_version("GLIBC_2.31"), Some((2, 31)));
        assert_eq!(glibc_version("GLIBC_2.3.4"), Some((2, 3)));
        assert_eq!(glibc_version("GCC_3.0"), None);
        assert!(glibc_version("GLIBC_2.4") < glibc_version("GLIBC_2.31"));
    }

    /// What this test is in, which needs glibc.
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_goes_beyond_is_named() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let limits = |glibc, libraries| Limits {
            machine: elf::EM_X86_64,
            glibc,
            libraries,
            lacking: &[],
            asked_for: &[],
        };
        const ALL: &[&str] = &[
            "libc.so.6",
            "libgcc_s.so.1",
            "libm.so.6",
            "ld-linux-x86-64.so.2",
        ];
        let error = |limits: &Limits| check_library(&own, limits).unwrap_err().to_string();

        check_library(&own, &limits((2, 99), ALL)).unwrap();
        let newer = error(&limits((2, 2), ALL));
        assert!(
            newer.starts_with("needs ") && newer.contains("@GLIBC_2."),
            "{newer}"
        );
        let library = error(&limits((2, 99), &["libm.so.6"]));
        assert!(
            library.contains(".so") && library.contains("libm.so.6"),
            "{library}"
        );
        let machine = error(&Limits::RASPBERRY_PI);
        assert!(machine.contains("another machine"), "{machine}");
        // Any instruction at all.
        let instruction = error(&Limits {
            lacking: const { &[instructions("planted", 0, 0)] },
            ..limits((2, 99), ALL)
        });
        assert!(instruction.contains("planted"), "{instruction}");
        // All have an empty part in their names.
        let asked_for = Limits {
            lacking: const { &[instructions("planted", 0, 0)] },
            asked_for: &[""],
            ..limits((2, 99), ALL)
        };
        check_library(&own, &asked_for).unwrap();
    }
}
