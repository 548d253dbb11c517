//! Finds the source of Terraform's AWS provider: a configured mirror, Terraform's own settings, its registry,
//! or else a mirror that is found on this machine's disk.
//!
//! Terraform accepts only a provider whose hash is in `.terraform.lock.hcl`, from any source.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs};

use rds_iam_process::console::Console;
use rds_iam_process::error::Error;
use rds_iam_process::runner::Runner;
use rds_iam_process::tools::reach;
use rds_iam_process::workspace::Workspace;

/// The environment variable with a folder in the layout of Terraform's filesystem mirrors that has the
/// provider.
pub const MIRROR_VARIABLE: &str = "RDS_IAM_TERRAFORM_MIRROR";
/// The provider's folder in a mirror.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
/// Terraform's registry.
const REGISTRY: &str = "https://registry.terraform.io/.well-known/terraform.json";
/// The lock file with the provider's version.
const LOCK: &str = "terraform/stacks/service/.terraform.lock.hcl";

/// The maximum depth of the search for a mirror, and its time limit.
const DEPTH: usize = 8;
const SEARCH_WITHIN: Duration = Duration::from_secs(10);
/// Folders that are not searched: virtual file systems, and mounts of other machines' files.
const NOT_SEARCHED: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/mnt", "/media"];

/// The source of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// A configured mirror, or one that was found.
    Mirror(PathBuf),
    /// Terraform's own settings.
    Configured(PathBuf),
    /// Terraform's registry, which can be reached.
    Registry,
    /// No source: the registry does not answer, for this reason, and no mirror was found.
    Unreachable(String),
}

impl Provider {
    /// Returns a description.
    ///
    /// # Errors
    /// Returns the reason why there is no source.
    pub fn describe(&self) -> Result<String, &str> {
        match self {
            Self::Mirror(mirror) => Ok(format!("from the mirror {}", mirror.display())),
            Self::Configured(file) => Ok(format!("as {} says", file.display())),
            Self::Registry => Ok("from Terraform's registry".to_owned()),
            Self::Unreachable(why) => Err(why),
        }
    }

    /// Returns the mirror.
    pub fn mirror(&self) -> Option<&Path> {
        match self {
            Self::Mirror(mirror) => Some(mirror),
            _ => None,
        }
    }
}

/// Returns the source of the provider on this machine, which is searched once.
///
/// # Errors
/// Returns an error if the configured mirror has no provider.
pub fn find(workspace: &Workspace) -> Result<Provider, Error> {
    static FOUND: OnceLock<Provider> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found.clone());
    }
    let found = locate(workspace)?;
    Ok(FOUND.get_or_init(|| found).clone())
}

fn locate(workspace: &Workspace) -> Result<Provider, Error> {
    let named = env::var_os(MIRROR_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(mirror) = named {
        return named_mirror(mirror).map(Provider::Mirror);
    }
    if let Some(file) = configuration().filter(|file| is_about_providers(file)) {
        return Ok(Provider::Configured(file));
    }
    // The result of an earlier run, so that the disk is searched once.
    let remembered = workspace.target.join("infra/mirror");
    let version = locked_version(workspace);
    let has_it = |mirror: &Path| has_provider(mirror, version.as_deref());
    if let Some(mirror) = fs::read_to_string(&remembered).ok().map(PathBuf::from).filter(|it| has_it(it)) {
        return Ok(Provider::Mirror(mirror));
    }
    let runner = Runner::new(Console::from_env());
    let Err(why) = reach::host(REGISTRY, workspace, runner) else { return Ok(Provider::Registry) };
    let until = Instant::now() + SEARCH_WITHIN;
    let Some(mirror) = search(Path::new("/"), &|| Instant::now() < until, &has_it) else {
        return Ok(Provider::Unreachable(why));
    };
    // If this fails, the next run searches again.
    drop(rds_iam_process::file::make_folder(&workspace.target.join("infra")));
    drop(rds_iam_process::file::replace(&remembered, mirror.display().to_string()));
    Ok(Provider::Mirror(mirror))
}

fn named_mirror(mirror: PathBuf) -> Result<PathBuf, Error> {
    if mirror.is_absolute() && mirror.join(PROVIDER).is_dir() {
        return Ok(mirror);
    }
    Err(Error::Found {
        found: format!("{MIRROR_VARIABLE} names {}, which has no {PROVIDER}", mirror.display()),
        help: format!(
            "name the folder above registry.terraform.io by its absolute path, make a mirror with `terraform \
             providers mirror`, or unset {MIRROR_VARIABLE} to take the provider from Terraform's registry"
        ),
    })
}

/// Returns the path of Terraform's own configuration file.
fn configuration() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let file = set("TF_CLI_CONFIG_FILE").or_else(|| set("HOME").map(|home| home.join(".terraformrc")))?;
    file.is_file().then_some(file)
}

fn is_about_providers(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains("provider_installation"))
}

/// Returns the version of the provider that the stacks are locked to.
fn locked_version(workspace: &Workspace) -> Option<String> {
    let lock = fs::read_to_string(workspace.root.join(LOCK)).ok()?;
    let (_, lock) = lock.split_once(&format!("provider \"{PROVIDER}\""))?;
    let line = lock.lines().find_map(|line| line.trim().strip_prefix("version"))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// Returns whether a folder has the provider, unpacked or as an archive, for this machine and in this version.
fn has_provider(mirror: &Path, version: Option<&str>) -> bool {
    let platform = match env::consts::ARCH {
        "x86_64" => "linux_amd64",
        _ => "linux_arm64",
    };
    let provider = mirror.join(PROVIDER);
    let is_wanted = |name: &str| version.is_none_or(|version| name == version);
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    names(&provider).iter().any(|name| {
        let archived = name
            .strip_prefix("terraform-provider-aws_")
            .and_then(|rest| rest.strip_suffix(&format!("_{platform}.zip")));
        let unpacked = || {
            let folder = provider.join(name).join(platform);
            // A link would be Terraform's own cache of another mirror.
            folder.symlink_metadata().is_ok_and(|it| it.is_dir())
                && names(&folder).iter().any(|file| file.starts_with("terraform-provider-aws_v"))
        };
        archived.map_or_else(|| is_wanted(name) && unpacked(), is_wanted)
    })
}

/// Returns a folder below `top` that is a mirror, the least deep first: on the same disk, through no link,
/// and in no build folder.
fn search(top: &Path, goes_on: &dyn Fn() -> bool, has_it: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let disk = top.metadata().ok()?.dev();
    let mut waiting = VecDeque::from([(top.to_owned(), 0)]);
    while let Some((folder, depth)) = waiting.pop_front() {
        if !goes_on() {
            return None;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries
            // The type of the entry itself, not of a link's target.
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        folders.sort();
        if folder.join("registry.terraform.io").is_dir() && has_it(&folder) {
            return Some(folder);
        }
        waiting.extend(
            folders
                .into_iter()
                .filter(|path| depth < DEPTH && is_searched(path))
                .filter(|path| path.symlink_metadata().is_ok_and(|it| it.dev() == disk))
                .map(|path| (path, depth + 1)),
        );
    }
    None
}

fn is_searched(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    !NOT_SEARCHED.iter().any(|no| folder == Path::new(no))
        && !["node_modules", ".git", ".terraform"].iter().any(|no| name == *no)
        // Cargo marks its folders with this file.
        && !folder.join("CACHEDIR.TAG").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_5_100(mirror: &Path) -> bool {
        has_provider(mirror, Some("5.100.0"))
    }

    fn platform() -> &'static str {
        if cfg!(target_arch = "x86_64") { "linux_amd64" } else { "linux_arm64" }
    }

    /// Creates a disk with a provider below each of these folders.
    fn disk(mirrors: &[(&str, &str)]) -> tempfile::TempDir {
        let disk = tempfile::tempdir().unwrap();
        for (mirror, version) in mirrors {
            let folder = disk.path().join(mirror).join(PROVIDER).join(version).join(platform());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(format!("terraform-provider-aws_v{version}_x5")), "").unwrap();
        }
        disk
    }

    #[test]
    fn a_mirror_is_found_that_has_the_locked_version_the_least_deep_first() {
        let disk = disk(&[("a/other", "6.2.0"), ("b/c/d/deep", "5.100.0"), ("opt/mirror", "5.100.0")]);
        let found = search(disk.path(), &|| true, &has_5_100);
        assert_eq!(found, Some(disk.path().join("opt/mirror")));
    }

    #[test]
    fn an_archive_will_do() {
        let disk = tempfile::tempdir().unwrap();
        let folder = disk.path().join("mirror").join(PROVIDER);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("terraform-provider-aws_5.100.0_plan9_amd64.zip"), "").unwrap();
        assert_eq!(search(disk.path(), &|| true, &has_5_100), None);
        fs::write(folder.join(format!("terraform-provider-aws_5.100.0_{}.zip", platform())), "").unwrap();
        assert_eq!(search(disk.path(), &|| true, &has_5_100), Some(disk.path().join("mirror")));
    }

    #[test]
    fn build_folders_links_and_what_is_too_deep_are_not_searched() {
        let disk = disk(&[("target/infra", "5.100.0"), ("1/2/3/4/5/6/7/8/9/deep", "5.100.0")]);
        fs::write(disk.path().join("target/CACHEDIR.TAG"), "").unwrap();
        std::os::unix::fs::symlink(disk.path().join("target/infra"), disk.path().join("link")).unwrap();
        // Terraform's cache of another mirror: its platform is a link.
        let cache = disk.path().join("cache").join(PROVIDER).join("5.100.0");
        fs::create_dir_all(&cache).unwrap();
        let real = disk.path().join("target/infra").join(PROVIDER).join("5.100.0").join(platform());
        std::os::unix::fs::symlink(real, cache.join(platform())).unwrap();
        assert_eq!(search(disk.path(), &|| true, &has_5_100), None);
    }

    #[test]
    fn a_search_ends_when_its_time_is_up() {
        let disk = disk(&[("mirror", "5.100.0")]);
        assert_eq!(search(disk.path(), &|| false, &has_5_100), None);
    }

    #[test]
    fn the_lock_has_the_version() {
        let workspace =
            Workspace { root: rds_iam_process::workspace::root(), target: "/t".into(), cache: "/c".into() };
        let version = locked_version(&workspace).unwrap();
        assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{version}");
    }

    #[test]
    fn a_file_without_a_word_about_providers_configures_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("terraformrc");
        fs::write(&file, "credentials \"app.terraform.io\" {}\n").unwrap();
        assert!(!is_about_providers(&file));
        fs::write(&file, "provider_installation {\n  direct {}\n}\n").unwrap();
        assert!(is_about_providers(&file));
    }
}
