//! The library as PostgreSQL's loader finds it: its name, and the symbols and the version that it exports.
//!
//! Only PostgreSQL: MySQL loads no PAM.

use std::collections::BTreeSet;
use std::{env, fs};

use object::Endianness;
use object::elf::{DT_SONAME, FileHeader64, SHN_UNDEF, SHT_DYNSYM, STB_LOCAL};
use object::read::elf::{FileHeader as _, Sym as _};

/// The imports of PostgreSQL 15 to 18 from libpam.
const IMPORTED: [&str; 6] =
    ["pam_acct_mgmt", "pam_authenticate", "pam_end", "pam_set_item", "pam_start", "pam_strerror"];

#[test]
fn it_is_libpam_with_exactly_the_symbols_that_the_server_imports() {
    // Cargo builds the library beside this test.
    let path = env::current_exe().unwrap().with_file_name("libpam.so");
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let data = bytes.as_slice();
    let header = FileHeader64::<Endianness>::parse(data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, data).unwrap();

    let dynamic = sections.dynamic_table(endian, data).unwrap();
    let soname = dynamic.iter().find(|entry| entry.tag == DT_SONAME).unwrap();
    assert_eq!(dynamic.string(soname).unwrap(), b"libpam.so.0");

    let symbols = sections.symbols(endian, data, SHT_DYNSYM).unwrap();
    let exported = symbols
        .iter()
        .filter(|symbol| symbol.st_shndx(endian) != SHN_UNDEF && symbol.st_bind() != STB_LOCAL)
        .map(|symbol| symbol.name(endian, symbols.strings()).unwrap());
    let exported: BTreeSet<&str> = exported.map(|name| str::from_utf8(name).unwrap()).collect();
    assert_eq!(exported, BTreeSet::from(IMPORTED));

    // The linker of some machines accepts no versions: build.rs.
    let mut versions = Vec::new();
    if let Some((definitions, strings)) = sections.gnu_verdef(endian, data).unwrap() {
        let strings = sections.strings(endian, data, strings).unwrap();
        for definition in definitions {
            let (_, mut names) = definition.unwrap();
            versions.push(names.next().unwrap().unwrap().name(endian, strings).unwrap());
        }
    }
    assert_eq!(versions.contains(&b"LIBPAM_1.0".as_slice()), env!("RDS_IAM_PAM_HAS_VERSIONS") == "true");
}
