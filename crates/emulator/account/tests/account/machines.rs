//! Tests of instance refreshes: a new machine runs the image that the parameter names; after a failed or cancelled
//! refresh, the old one stays in service; nothing is left when the account ends.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rds_iam_emulator_account::AwsApi;
use rds_iam_emulator_server::fixtures::USER_DATA_TEMPLATE;
use serde_json::{Value, json};

use crate::aws::{Aws, element, elements};
use crate::program::{Account, run, until};
use crate::{ECR, Result, databases};

pub(crate) const AUTO_SCALING: &str = "2011-01-01";
const ELB: &str = "2015-12-01";
const REPOSITORY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/orders-local";
const PARAMETER: &str = "/local/app/image";
const NAME: [(&str, &str); 1] = [("AutoScalingGroupName", "orders-local")];

#[tokio::test]
async fn a_refresh_starts_what_the_parameter_names() -> Result {
    if let Err(reason) = run("docker", &["version"]) {
        // Nothing else runs images. Not printed by a macro, whose text would be shown for failures only.
        writeln!(
            std::io::stderr(),
            "NOT TESTED: machines run containers, and no Docker engine answers: {reason}"
        )?;
        return Ok(());
    }
    let outer = tempfile::tempdir()?;
    let folder = outer.path().join("account");
    let mut account = Account::start(&folder).await?;
    // Both are held at once, so that the ports differ.
    let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let [port, management_port] = held.each_ref().map(|port| port.local_addr().map(|address| address.port()));
    let (port, management_port) = (port?, management_port?);
    drop(held);
    let (service, management) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{management_port}"));
    let group = Group::create(&account.aws, port, management_port)?;
    let parameters = AwsApi::connect(&account.aws.url, "us-east-1".parse()?, &account.credentials).await?;
    assert_eq!(group.health()?, "initial");

    // There is no parameter yet: the first machines still count, and serve nothing.
    assert_eq!(group.refresh().await?, ("Successful".to_owned(), String::new()));
    until("the target to be unhealthy", || Ok((group.health()? == "unhealthy").then_some(()))).await?;

    let create = json!({ "repositoryName": "orders-local" });
    account.aws.json("ecr", &format!("{ECR}.CreateRepository"), &create)?;
    let images = Images::build(outer.path(), &account)?;
    let good = images.push("good", "[\"/service\"]")?;
    let broken = images.push("broken", "[\"/service\", \"break\"]")?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?, ("Successful".to_owned(), String::new()));
    until("the target to be healthy", || Ok((group.health()? == "healthy").then_some(()))).await?;
    assert_eq!(answer(&service, "/")?, "us-east-1 /local/database");
    assert_eq!(answer(&management, "/readyz")?, "us-east-1 /local/database");
    assert!(answer(&service, "/readyz").is_err(), "the app serves machines at their own port alone");

    // The app's database, which a refresh waits for.
    let database = databases::create(&account.aws)?;
    parameters.put_parameter("/local/database/endpoint", element(&database, "Address")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    let database = fs::read_to_string(folder.join("databases/orders-local.json"))?;
    let dial = serde_json::from_str::<Value>(&database)?["dial"].as_str().ok_or("no dial")?.to_owned();
    assert_eq!(answer(&service, "/")?, format!("us-east-1 /local/database {dial}"));

    // From here on, the machine stays in service.
    let watched = Watch::start(&service);

    // A machine that ends at once.
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{broken}")).await?;
    let (status, reason) = group.refresh().await?;
    assert_eq!(status, "Failed");
    assert!(reason.contains("exit status: 7") && reason.contains("this service is broken"), "{reason}");
    assert_eq!(group.health()?, "healthy");
    let launches = group.launches()?;
    assert!(
        launches.starts_with(&["Cancelled".to_owned(), "Cancelled".to_owned(), "Cancelled".to_owned()]),
        "{launches:?}"
    );

    // A machine that never gets ready: its own script gives up, and another one is launched, until the
    // refresh is cancelled.
    let hanging = images.push("hanging", "[\"/service\", \"hang\"]")?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{hanging}")).await?;
    let before = launches.len();
    group.start_refresh()?;
    until("a machine to wait", || Ok((group.launches()?[0] == "MidLifecycleAction").then_some(()))).await?;
    assert_eq!(group.states()?, ["InService", "Pending:Wait"]);
    assert!(group.start_refresh().unwrap_err().to_string().contains("InstanceRefreshInProgress"));
    until("a machine to be abandoned", || Ok((group.launches()?.len() == before + 2).then_some(()))).await?;
    assert_eq!(group.launches()?[..2], ["MidLifecycleAction", "Cancelled"]);
    assert_eq!(group.latest_refresh()?.0, "InProgress");
    group.cancel_refresh()?;
    assert_eq!(group.refresh_is_over().await?.0, "Cancelled");
    until("no machine to wait", || Ok((group.states()? == ["InService"]).then_some(()))).await?;
    watched.end()?;

    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    // An image that does not exist: the running machine stays.
    let missing = format!("sha256:{}", "0".repeat(64));
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{missing}")).await?;
    let (status, reason) = group.refresh().await?;
    assert!(status == "Failed" && reason.contains("manifest"), "{status}: {reason}");
    assert_eq!(group.health()?, "healthy");
    assert!(answer(&service, "/")?.starts_with("us-east-1 /local/database "));

    group.delete()?;
    let gone = || Ok(TcpStream::connect(&service).is_err().then_some(()));
    until("the machine to be gone", gone).await?;

    // Destructors do not run then.
    let group = Group::create(&account.aws, port, management_port)?;
    parameters.put_parameter(PARAMETER, &format!("{REPOSITORY}@{good}")).await?;
    assert_eq!(group.refresh().await?.0, "Successful");
    account.child.kill()?;
    account.child.wait()?;
    let label = format!("label=rds-iam-account={}", folder.canonicalize()?.display());
    let images = format!("reference={}/*", account.registry);
    until("all to be gone", || {
        let containers = run("docker", &["ps", "--all", "--quiet", "--filter", &label])?;
        let images = run("docker", &["images", "--quiet", "--filter", &images])?;
        Ok((containers.is_empty() && images.is_empty() && TcpStream::connect(&account.registry).is_err())
            .then_some(()))
    })
    .await
}

/// Returns the service's own report.
fn answer(service: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(service)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let answer = std::io::read_to_string(stream)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(format!("no answer: {answer:?}"))?;
    if head.starts_with("HTTP/1.1 200 ") { Ok(body.to_owned()) } else { Err(head.to_owned().into()) }
}

/// Sends requests to the service one after another, in a separate thread.
struct Watch {
    to_end: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, Vec<String>)>,
}

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "the pause between two requests of a client")]
    fn start(service: &str) -> Self {
        let (service, to_end) = (service.to_owned(), Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&to_end);
        let thread = std::thread::spawn(move || {
            let (mut sent, mut failed) = (0, Vec::new());
            while !is_over.load(Ordering::Relaxed) {
                sent += 1;
                if let Err(e) = answer(&service, "/") {
                    failed.push(e.to_string());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            (sent, failed)
        });
        Self { to_end, thread }
    }

    /// Fails if a response was missing.
    fn end(self) -> Result {
        self.to_end.store(true, Ordering::Relaxed);
        let (sent, failed) = self.thread.join().map_err(|_| "the watch ended by itself")?;
        assert!(sent > 100, "{sent} requests prove nothing");
        assert_eq!(failed, Vec::<String>::new(), "{} of {sent} requests were not answered", failed.len());
        Ok(())
    }
}

/// A group like that of the modules, with a target group.
struct Group<'a> {
    aws: &'a Aws,
    target_group: String,
    template: String,
}

impl<'a> Group<'a> {
    fn create(aws: &'a Aws, port: u16, management_port: u16) -> Result<Self> {
        let vpcs = aws.query("ec2", "2016-11-15", "DescribeVpcs", &[])?;
        let [port, management_port] = [port, management_port].map(|port| port.to_string());
        let made = aws.query(
            "elasticloadbalancing",
            ELB,
            "CreateTargetGroup",
            &[
                ("Name", "orders-local"),
                ("Protocol", "HTTP"),
                ("Port", &port),
                ("VpcId", element(&vpcs, "vpcId")),
                ("HealthCheckPath", "/readyz"),
                ("HealthCheckPort", &management_port),
            ],
        )?;
        let target_group = element(&made, "TargetGroupArn").to_owned();
        let images = aws.query("ec2", "2016-11-15", "DescribeImages", &[])?;
        let made = aws.query(
            "ec2",
            "2016-11-15",
            "CreateLaunchTemplate",
            &[
                ("LaunchTemplateName", "orders-local"),
                ("LaunchTemplateData.ImageId", element(&images, "imageId")),
                ("LaunchTemplateData.InstanceType", "t4g.small"),
                ("LaunchTemplateData.UserData", &BASE64_STANDARD.encode(user_data(&port, &management_port))),
            ],
        )?;
        let template = element(&made, "launchTemplateId").to_owned();
        let group = [
            ("AutoScalingGroupName", "orders-local"),
            ("MinSize", "1"),
            ("MaxSize", "1"),
            ("AvailabilityZones.member.1", "us-east-1a"),
            ("LaunchTemplate.LaunchTemplateId", &template),
            ("TargetGroupARNs.member.1", &target_group),
        ];
        aws.query("autoscaling", AUTO_SCALING, "CreateAutoScalingGroup", &group)?;
        let hook = [
            NAME[0],
            ("LifecycleHookName", "ready"),
            ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
            ("DefaultResult", "ABANDON"),
            ("HeartbeatTimeout", "600"),
        ];
        aws.query("autoscaling", AUTO_SCALING, "PutLifecycleHook", &hook)?;
        Ok(Self { aws, target_group, template })
    }

    /// Refreshes the instances; returns the status and its reason.
    async fn refresh(&self) -> Result<(String, String)> {
        self.start_refresh()?;
        self.refresh_is_over().await
    }

    fn start_refresh(&self) -> Result {
        self.aws.query("autoscaling", AUTO_SCALING, "StartInstanceRefresh", &NAME).map(drop)
    }

    fn cancel_refresh(&self) -> Result {
        self.aws.query("autoscaling", AUTO_SCALING, "CancelInstanceRefresh", &NAME).map(drop)
    }

    async fn refresh_is_over(&self) -> Result<(String, String)> {
        until("the refresh", || {
            let latest = self.latest_refresh()?;
            let is_over = !matches!(latest.0.as_str(), "Pending" | "InProgress" | "Cancelling");
            Ok(is_over.then_some(latest))
        })
        .await
    }

    /// Returns the state of each launch, the latest first.
    fn launches(&self) -> Result<Vec<String>> {
        let found = self.aws.query("autoscaling", AUTO_SCALING, "DescribeScalingActivities", &NAME)?;
        Ok(elements(&found, "StatusCode"))
    }

    /// Returns the state of each instance.
    fn states(&self) -> Result<Vec<String>> {
        let found = self.aws.query("autoscaling", AUTO_SCALING, "DescribeAutoScalingGroups", &[])?;
        Ok(elements(&found, "LifecycleState"))
    }

    /// Returns the status and its reason.
    fn latest_refresh(&self) -> Result<(String, String)> {
        let found = self.aws.query("autoscaling", AUTO_SCALING, "DescribeInstanceRefreshes", &NAME)?;
        // The latest comes first.
        let latest = found.split("</member>").next().unwrap_or_default();
        Ok((element(latest, "Status").to_owned(), element(latest, "StatusReason").to_owned()))
    }

    fn health(&self) -> Result<String> {
        let of = [("TargetGroupArn", self.target_group.as_str())];
        let found = self.aws.query("elasticloadbalancing", ELB, "DescribeTargetHealth", &of)?;
        Ok(element(&found, "State").to_owned())
    }

    fn delete(self) -> Result {
        let group = [("AutoScalingGroupName", "orders-local"), ("ForceDelete", "true")];
        self.aws.query("autoscaling", AUTO_SCALING, "DeleteAutoScalingGroup", &group)?;
        let template = [("LaunchTemplateId", self.template.as_str())];
        self.aws.query("ec2", "2016-11-15", "DeleteLaunchTemplate", &template)?;
        let target_group = [("TargetGroupArn", self.target_group.as_str())];
        self.aws.query("elasticloadbalancing", ELB, "DeleteTargetGroup", &target_group)?;
        Ok(())
    }
}

/// Returns the module's user data, with values as from Terraform.
pub(crate) fn user_data(port: &str, management_port: &str) -> String {
    let values = [
        ("app_port", port),
        ("hook", "ready"),
        ("management_port", management_port),
        ("name", "orders-local"),
        ("image_parameter", PARAMETER),
        ("log_group", "/orders-local/app"),
        ("parameter_path", "/local/database"),
        ("region", "us-east-1"),
        ("registry", REPOSITORY.split_once('/').unwrap_or_default().0),
        ("repository_url", REPOSITORY),
    ];
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(&format!("${{{name}}}"), value);
    values.iter().fold(USER_DATA_TEMPLATE.replace("$${", "\0"), fill).replace('\0', "${")
}

/// Images with the service's program.
struct Images<'a> {
    folder: &'a Path,
    account: &'a Account,
}

impl<'a> Images<'a> {
    fn build(folder: &'a Path, account: &'a Account) -> Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/account/service.rs");
        let service = folder.join("service").display().to_string();
        let is_static = ["--edition", "2024", "-C", "target-feature=+crt-static", "-o", &service];
        run("rustc", &[&is_static[..], &[&source.display().to_string()]].concat())?;
        let text = folder.display().to_string();
        run("tar", &["-C", &text, "-cf", &format!("{text}/image.tar"), "service"])?;
        let logins = account.aws.json("ecr", &format!("{ECR}.GetAuthorizationToken"), &json!({}))?;
        let login = &logins["authorizationData"][0]["authorizationToken"];
        let config = json!({ "auths": { &account.registry: { "auth": login } } });
        fs::write(folder.join("config.json"), config.to_string())?;
        Ok(Self { folder, account })
    }

    /// Pushes an image with this entry point, and returns its digest.
    fn push(&self, tag: &str, entry_point: &str) -> Result<String> {
        let folder = self.folder.display().to_string();
        let image = format!("{}/orders-local:{tag}", self.account.registry);
        let entry_point = format!("ENTRYPOINT {entry_point}");
        run("docker", &["import", "--change", &entry_point, &format!("{folder}/image.tar"), &image])?;
        run("docker", &["--config", &folder, "push", "--quiet", &image])?;
        let name = run("docker", &["inspect", "--format", "{{index .RepoDigests 0}}", &image])?;
        run("docker", &["rmi", &image])?;
        let digest = name.split_once('@').ok_or("no digest")?.1.to_owned();
        let wanted = json!({ "repositoryName": "orders-local", "imageIds": [{ "imageDigest": digest }] });
        let found = self.account.aws.json("ecr", &format!("{ECR}.DescribeImages"), &wanted)?;
        assert_eq!(found["imageDetails"][0]["imageTags"], json!([tag]));
        Ok(digest)
    }
}
