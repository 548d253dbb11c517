//! Reads the sources of a test program: the tests that `on_each_engine!` and `only!` register, the modules whose
//! documentation says that they are about one engine, and tests that name the types of one engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::parse::{Parse, ParseStream};
use syn::visit::Visit;
use syn::{Attribute, Expr, Ident, Item, ItemFn, ItemMod, Lit, LitStr, Meta, Token, bracketed};

use super::{ENGINES, ONLY, TITLES};
use rds_iam_process::error::Error;
use rds_iam_process::file;

/// An engine, and the reason why tests are about it alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) engine: usize,
    pub(super) reason: String,
}

/// The sources of a test program. Tests and modules are named from its root, whose own name is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// The functions that `on_each_engine!` registers.
    pub(super) both: BTreeSet<String>,
    /// The tests that `only!` registers.
    pub(super) only: BTreeMap<String, Tag>,
    /// The modules whose documentation has a paragraph `Only MySQL: REASON` or `Only PostgreSQL: REASON`.
    pub(super) modules: BTreeMap<String, Tag>,
    /// Asynchronous tests that name types of one engine, and that engine.
    pub(super) naming_one: BTreeMap<String, usize>,
}

impl Sources {
    /// Reads the file of the program's root module, and the files of all modules that it declares.
    ///
    /// # Errors
    /// Returns an error if a file can't be read, or a list or paragraph about one engine has no reason.
    pub(super) fn read(root: &Path) -> Result<Self, Error> {
        let mut sources = Self::default();
        sources.add_file(root, "", root.parent().unwrap_or(root))?;
        Ok(sources)
    }

    /// Adds a module; the modules that it declares have their files in `folder`.
    fn add_file(&mut self, path: &Path, module: &str, folder: &Path) -> Result<(), Error> {
        let parsed = syn::parse_file(&file::read(path)?).map_err(invalid(path))?;
        self.add_documentation(&parsed.attrs, module).map_err(invalid(path))?;
        self.add_items(&parsed.items, module, folder, path)
    }

    fn add_items(&mut self, items: &[Item], module: &str, folder: &Path, path: &Path) -> Result<(), Error> {
        for item in items {
            match item {
                Item::Mod(declared) => self.add_module(declared, module, folder, path)?,
                Item::Macro(called) => {
                    let called = &called.mac;
                    let name = called.path.segments.last().map(|segment| segment.ident.to_string());
                    match name.as_deref() {
                        Some("on_each_engine") => {
                            let Registered(tests) = called.parse_body().map_err(invalid(path))?;
                            self.both.extend(tests.iter().map(|test| join(module, &test.to_string())));
                        }
                        Some("only") => {
                            let Only { engine, lists } = called.parse_body().map_err(invalid(path))?;
                            for (reason, tests) in lists {
                                self.only.extend(tests.iter().map(|test| {
                                    let test = format!("{}::{test}", join(module, ONLY[engine]));
                                    (test, Tag { engine, reason: reason.clone() })
                                }));
                            }
                        }
                        _ => {}
                    }
                }
                Item::Fn(function) if function.sig.asyncness.is_some() && is_test(function) => {
                    let mut named = Named::default();
                    named.visit_item_fn(function);
                    let engine = match named.0 {
                        [true, false] => 0,
                        [false, true] => 1,
                        _ => continue,
                    };
                    self.naming_one.insert(join(module, &function.sig.ident.to_string()), engine);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds a module that the file `path` declares, with its content in that file or in another.
    fn add_module(
        &mut self,
        declared: &ItemMod,
        parent: &str,
        folder: &Path,
        path: &Path,
    ) -> Result<(), Error> {
        let name = declared.ident.to_string();
        let module = join(parent, &name);
        self.add_documentation(&declared.attrs, &module).map_err(invalid(path))?;
        if let Some((_, items)) = &declared.content {
            return self.add_items(items, &module, &folder.join(name), path);
        }
        let elsewhere = declared.attrs.iter().find_map(|attribute| text_of(attribute, "path"));
        if let Some(elsewhere) = elsewhere {
            let file = path.with_file_name(elsewhere);
            return self.add_file(&file, &module, file.parent().unwrap_or(&file));
        }
        let inner = folder.join(&name);
        let files = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
        let file = files.iter().find(|file| file.is_file()).unwrap_or(&files[0]);
        self.add_file(file, &module, &inner)
    }

    fn add_documentation(&mut self, attributes: &[Attribute], module: &str) -> syn::Result<()> {
        let lines: Vec<_> = attributes.iter().filter_map(|attribute| text_of(attribute, "doc")).collect();
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        for paragraph in lines.split(|line| line.is_empty()).map(|lines| lines.join(" ")) {
            for (engine, title) in TITLES.iter().enumerate() {
                let Some(reason) = paragraph.strip_prefix(&format!("Only {title}:")) else { continue };
                let reason = reason.trim().trim_end_matches('.').to_owned();
                if reason.is_empty() {
                    return Err(syn::Error::new(
                        attributes[0].pound_token.span,
                        "a paragraph without a reason",
                    ));
                }
                self.modules.insert(module.to_owned(), Tag { engine, reason });
            }
        }
        Ok(())
    }
}

/// The arguments of `on_each_engine!`: tests, and an attribute if there is one.
struct Registered(Vec<Ident>);

impl Parse for Registered {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        Ok(Self(input.parse_terminated(Ident::parse, Token![,])?.into_iter().collect()))
    }
}

/// The arguments of `only!`: an attribute if there is one, the engine, and lists of tests, each after its reason.
struct Only {
    engine: usize,
    lists: Vec<(String, Vec<Ident>)>,
}

impl Parse for Only {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Attribute::parse_outer(input)?;
        let engine: Ident = input.parse()?;
        let Some(known) = ENGINES.iter().position(|known| engine == *known) else {
            return Err(syn::Error::new(engine.span(), "an unknown engine"));
        };
        let mut lists = Vec::new();
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let reason: LitStr = input.parse()?;
            if reason.value().is_empty() {
                return Err(syn::Error::new(reason.span(), "an empty reason"));
            }
            input.parse::<Token![,]>()?;
            let tests;
            bracketed!(tests in input);
            lists.push((
                reason.value(),
                tests.parse_terminated(Ident::parse, Token![,])?.into_iter().collect(),
            ));
        }
        if lists.is_empty() { Err(input.error("no reason")) } else { Ok(Self { engine: known, lists }) }
    }
}

/// Whether a function names types of each engine, such as `MySql`, `MySqlPool`, `Postgres` and `PgPool`.
#[derive(Default)]
struct Named([bool; 2]);

impl<'s> Visit<'s> for Named {
    fn visit_ident(&mut self, ident: &'s Ident) {
        let name = ident.to_string();
        self.0[0] |= name.starts_with("MySql");
        self.0[1] |= name.starts_with("Postgres") || name.starts_with("Pg");
    }
}

/// Whether a function has an attribute such as `#[test]` and `#[tokio::test]`.
fn is_test(function: &ItemFn) -> bool {
    let mut names = function.attrs.iter().filter_map(|attribute| attribute.path().segments.last());
    names.any(|name| name.ident == "test")
}

/// Returns the text of an attribute such as `#[doc = "text"]`, if it has that name.
fn text_of(attribute: &Attribute, name: &str) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident(name) => match &meta.value {
            Expr::Lit(text) => match &text.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn invalid(path: &Path) -> impl FnOnce(syn::Error) -> Error {
    move |error| {
        Error::Found {
        found: format!("{} can't be read: {error}", path.display()),
        help: "write only!(mysql, \"the reason\", [test, test]), or `Only MySQL: the reason` as a paragraph of the \
               module's documentation"
            .to_owned(),
    }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(engine: usize, reason: &str) -> Tag {
        Tag { engine, reason: reason.to_owned() }
    }

    /// Writes the files of a program, whose root is `main.rs`, and reads them.
    fn read(files: &[(&str, &str)]) -> Result<Sources, Error> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Sources::read(&folder.path().join("main.rs"))
    }

    #[test]
    fn each_list_has_its_engine_its_tests_and_its_reason() {
        let text = r#"
//! only!(in a comment)
use rds_iam_emulator_server::{on_each_engine, only};

on_each_engine![a, b,];
only!(mysql, "PostgreSQL has no plugins", [loaded]);
only!(
    #[tokio::test(flavor = "multi_thread")]
    postgres,
    "two \"meanings\" (28000), \
     and one more",
    [first, second], // the refusals
    "another",
    [third,],
);
async fn loaded() { let text = "only!("; }
mod inner { rds_iam_emulator_server::on_each_engine![#[tokio::test] c]; }
"#;
        let sources = read(&[("main.rs", text)]).unwrap();
        assert_eq!(sources.both, ["a", "b", "inner::c"].map(str::to_owned).into());
        let expected = [
            ("only_mysql::loaded", tag(0, "PostgreSQL has no plugins")),
            ("only_postgres::first", tag(1, "two \"meanings\" (28000), and one more")),
            ("only_postgres::second", tag(1, "two \"meanings\" (28000), and one more")),
            ("only_postgres::third", tag(1, "another")),
        ];
        assert_eq!(sources.only, expected.map(|(test, tag)| (test.to_owned(), tag)).into());
        assert_eq!(read(&[("main.rs", "fn nothing() {}")]).unwrap(), Sources::default());
    }

    #[test]
    fn a_list_or_paragraph_without_a_reason_is_an_error() {
        for text in [
            "only!(mysql, [a]);",
            "only!(mysql, \"\", [a]);",
            "only!(mysql, \"reason\");",
            "only!(mysql);",
            "only!();",
            "only!(maria, \"reason\", [a]);",
            "only!(mysql, \"reason\", [a], \"other\");",
            "only!(mysql, \"reason\", [a] [b]);",
            "//! Only MySQL:",
            "mod a {\n//! Text.\n//!\n//! Only PostgreSQL:\n//!\n//! Text.\n}",
            "fn {",
        ] {
            let error = read(&[("main.rs", text)]).unwrap_err().report();
            assert!(
                error.contains("main.rs can't be read") && error.contains("the reason"),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn the_files_of_all_modules_are_read() {
        let sources = read(&[
            ("main.rs", "mod a; mod c; mod e { mod f; } #[path = \"x/g.rs\"] mod other;"),
            ("a.rs", "mod b;"),
            ("a/b.rs", "//! Text.\n//!\n//! Only MySQL: accounts\n//! have hosts.\n//!\n//! Text."),
            ("c/mod.rs", "/// Only PostgreSQL: roles.\nmod d;"),
            ("c/d.rs", ""),
            ("e/f.rs", "//! Only MySQL: f"),
            ("x/g.rs", "mod h;"),
            ("x/h.rs", "//! Only MySQL: h"),
            ("not_declared.rs", "//! Only MySQL: none"),
        ]);
        let expected = [
            ("a::b", tag(0, "accounts have hosts")),
            ("c::d", tag(1, "roles")),
            ("e::f", tag(0, "f")),
            ("other::h", tag(0, "h")),
        ];
        assert_eq!(sources.unwrap().modules, expected.map(|(module, tag)| (module.to_owned(), tag)).into());
        assert!(read(&[("main.rs", "mod missing;")]).unwrap_err().report().contains("missing.rs"));
    }

    #[test]
    fn a_test_that_contacts_a_server_of_one_engine_is_found() {
        let sources = read(&[(
            "main.rs",
            "#[tokio::test] async fn mysql() { MySql::builder().start().await; }
             #[tokio::test(flavor = \"multi_thread\")] async fn postgres() -> PgPool { pool(PgConnectOptions::new()) }
             #[tokio::test] async fn both() { (MySql::builder(), Postgres::builder()); }
             #[tokio::test] async fn neither() {}
             #[test] fn a_number() { ServerCode::MySql(1045); }
             async fn a_helper() { MySql::builder(); }",
        )]);
        let expected = [("mysql".to_owned(), 0), ("postgres".to_owned(), 1)];
        assert_eq!(sources.unwrap().naming_one, expected.into());
    }
}
