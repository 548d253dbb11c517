//! Checks for module cycles: no sibling modules of a crate depend on each other, directly or through others.
//! Then each module has a layer, and a reader can begin with the lowest.
//!
//! Tests are left out, and so are edges between a module and its own parent: a parent declares and
//! re-exports.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Token};

use super::{File, Finding};

/// The names from the crate's root to a module: empty for the root itself.
type Module = Vec<String>;

/// Returns the module cycles of all crates in `files`, with one edge of each pair of modules in a cycle.
pub(super) fn check(files: &[File<'_>]) -> Vec<Finding> {
    let mut crates: BTreeMap<String, Vec<(Module, File<'_>)>> = BTreeMap::new();
    for &file in files {
        if let Some((root, module)) = module_of(file.path) {
            crates.entry(root).or_default().push((module, file));
        }
    }
    crates.values().flat_map(|modules| cycles(modules)).collect()
}

/// Returns the crate root's folder and the module of a source file, or `None` for tests and files of other
/// kinds.
fn module_of(path: &str) -> Option<(String, Module)> {
    let (package, below) = path.strip_suffix(".rs")?.split_once("src/")?;
    let mut names: Module = below.split('/').map(str::to_owned).collect();
    let mut root = format!("{package}src");
    if names.first().is_some_and(|name| name == "bin") {
        root = format!("{root}/bin/{}", names.get(1)?);
        names.drain(..2);
    }
    if names.iter().any(|name| name == "tests" || name.ends_with("_tests")) {
        return None;
    }
    if names.last().is_some_and(|name| ["lib", "main", "mod"].contains(&name.as_str())) {
        names.pop();
    }
    Some((root, names))
}

fn cycles(modules: &[(Module, File<'_>)]) -> Vec<Finding> {
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for (module, file) in modules {
        match syn::parse_file(file.text) {
            Ok(parsed) => {
                let mut paths = Paths { module: module.clone(), used: Vec::new(), imports: BTreeMap::new() };
                paths.visit_file(&parsed);
                all.push((module, file.path, paths));
            }
            Err(error) => wrong.push(Finding::in_file(*file, format!("not Rust: {error}"))),
        }
    }
    let names = Names {
        modules: modules.iter().map(|(module, _)| module).collect(),
        // Later entries win: if a package has both, `lib.rs` defines `crate::`, not `main.rs`.
        imports: all.iter().rev().flat_map(|(.., paths)| &paths.imports).collect(),
    };
    // The first file with each edge, by the two sibling modules that the edge connects.
    let mut edges: BTreeMap<(Module, Module), &str> = BTreeMap::new();
    for (module, path, paths) in &all {
        for used in &paths.used {
            let used = names.resolve(used);
            let common = module.iter().zip(&used).take_while(|(one, other)| one == other).count();
            if common < module.len() && common < used.len() {
                edges.entry((module[..=common].to_vec(), used[..=common].to_vec())).or_insert(path);
            }
        }
    }
    let graph: DiGraphMap<&Module, ()> = edges.keys().map(|(from, to)| (from, to)).collect();
    for cycle in tarjan_scc(&graph).into_iter().filter(|cycle| cycle.len() > 1) {
        let within: Vec<_> =
            edges.iter().filter(|((from, to), _)| cycle.contains(&from) && cycle.contains(&to)).collect();
        let shown: Vec<String> = within
            .iter()
            .map(|((from, to), path)| format!("{} uses {} ({path})", from.join("::"), to.join("::")))
            .collect();
        wrong.push(Finding {
            place: (*within[0].1).to_owned(),
            what: format!("modules that depend on each other: {}", shown.join(", ")),
        });
    }
    wrong
}

/// The modules of a crate, and the imports of their `use` lines: a path may go through either.
struct Names<'a> {
    modules: BTreeSet<&'a Module>,
    imports: BTreeMap<&'a Module, &'a Module>,
}

impl Names<'_> {
    /// Returns the module that the item at `path` is in.
    fn resolve(&self, path: &Module) -> Module {
        let mut path = path.clone();
        // An import may refer to another import, in practice once or twice.
        for _ in 0..8 {
            let known =
                (0..=path.len()).rev().find(|&length| self.modules.contains(&path[..length].to_vec()));
            let length = known.unwrap_or(0);
            match path.get(..=length).and_then(|name| self.imports.get(&name.to_vec())) {
                Some(&import) if *import != path[..=length] => {
                    path = import.iter().chain(&path[length + 1..]).cloned().collect();
                }
                _ => {
                    path.truncate(length);
                    break;
                }
            }
        }
        path
    }
}

/// Collects the paths in one file, each from the crate's root.
struct Paths {
    module: Module,
    used: Vec<Module>,
    /// The imported paths, by their path in this file.
    imports: BTreeMap<Module, Module>,
}

impl Paths {
    /// Returns a path of names from the crate's root.
    fn absolute(&self, names: &[String]) -> Module {
        let mut at = self.module.clone();
        let mut names = names;
        match names.first().map(String::as_str) {
            Some("crate") => {
                at.clear();
                names = &names[1..];
            }
            Some("self") => names = &names[1..],
            _ => {}
        }
        while names.first().is_some_and(|name| name == "super") {
            at.pop();
            names = &names[1..];
        }
        at.extend_from_slice(names);
        at
    }

    fn add_tree(&mut self, tree: &syn::UseTree, names: &mut Module) {
        let (last, here) = match tree {
            syn::UseTree::Path(path) => {
                names.push(path.ident.to_string());
                self.add_tree(&path.tree, names);
                names.pop();
                return;
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(tree, names));
                return;
            }
            syn::UseTree::Glob(_) => return self.used.push(self.absolute(names)),
            syn::UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            syn::UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
        };
        let path: Module = if last == "self" { names.clone() } else { [names.clone(), vec![last]].concat() };
        let here = if here == "self" { path.last().cloned().unwrap_or_default() } else { here };
        let path = self.absolute(&path);
        self.imports.insert(self.absolute(&[here]), path.clone());
        self.used.push(path);
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Module = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.used.push(self.absolute(&names));
        visit::visit_path(self, path);
    }

    /// Arguments that are expressions, as those of `format!`.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            arguments.iter().for_each(|argument| self.visit_expr(argument));
        }
        visit::visit_macro(self, call);
    }

    /// The same of attributes, as `#[error("…", super::NAME)]`.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let Ok(arguments) = attribute.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            arguments.iter().for_each(|argument| self.visit_expr(argument));
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_for_tests(&module.attrs) && module.content.is_some() {
            self.module.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|what| what.is_ident("test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File<'_>> = files.iter().map(|&(path, text)| File { path, text }).collect();
        check(&files).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn modules_that_use_each_other_are_found_by_any_form_of_path() {
        let cycle = found(&[
            ("crates/x/src/lib.rs", "mod stage; mod show;"),
            ("crates/x/src/stage.rs", "use crate::show::{self as s, Row};"),
            ("crates/x/src/show/mod.rs", "mod row;"),
            ("crates/x/src/show/row.rs", "fn f() -> super::super::stage::Stage { todo() }"),
        ]);
        assert_eq!(
            cycle,
            ["modules that depend on each other: show uses stage (crates/x/src/show/row.rs), \
              stage uses show (crates/x/src/stage.rs)"]
        );
    }

    #[test]
    fn arguments_of_macros_and_attributes_are_read() {
        for argument in
            ["fn f() { println!(\"{}\", super::b::B) }", "#[error(\"{}\", super::b::B)] struct E;"]
        {
            let cycle = found(&[
                ("crates/x/src/lib.rs", "mod a; mod b;"),
                ("crates/x/src/a.rs", argument),
                ("crates/x/src/b.rs", "use crate::a::E;"),
            ]);
            assert_eq!(cycle.len(), 1, "{argument}");
        }
    }

    #[test]
    fn a_cycle_through_a_third_module_is_found() {
        let cycle = found(&[
            ("xtask/src/main.rs", "mod a; mod b; mod c;"),
            ("xtask/src/a.rs", "use super::b::B;"),
            ("xtask/src/b.rs", "use crate::c;"),
            ("xtask/src/c.rs", "type A = crate::a::A;"),
        ]);
        assert_eq!(cycle.len(), 1);
    }

    #[test]
    fn a_cycle_through_a_re_export_is_found() {
        let cycle = found(&[
            ("crates/x/src/lib.rs", "mod declaration; mod mysql; pub use declaration::{Declaration as D};"),
            ("crates/x/src/main.rs", "use x::D;"),
            ("crates/x/src/declaration.rs", "use crate::mysql::names::Name;"),
            ("crates/x/src/mysql/mod.rs", "pub mod names; use crate::D;"),
            ("crates/x/src/mysql/names.rs", "pub struct Name;"),
        ]);
        assert_eq!(
            cycle,
            ["modules that depend on each other: declaration uses mysql (crates/x/src/declaration.rs), \
              mysql uses declaration (crates/x/src/mysql/mod.rs)"]
        );
    }

    #[test]
    fn layers_parents_tests_and_other_crates_are_no_cycle() {
        let none: [String; 0] = [];
        let files = [
            ("crates/x/src/lib.rs", "mod low; mod high; pub use high::High;"),
            ("crates/x/src/low.rs", "#[cfg(test)] mod checks { use crate::high::High; }"),
            ("crates/x/src/low/tests.rs", "use crate::high::High;"),
            ("crates/x/src/high/mod.rs", "mod inner; use inner::Inner; use crate::low::Low; use low::Other;"),
            ("crates/x/src/high/inner.rs", "use super::High;"),
            ("crates/x/src/bin/high.rs", "use x::low;"),
            ("crates/y/src/low.rs", "use crate::high;"),
        ];
        assert_eq!(found(&files), none);
    }
}
