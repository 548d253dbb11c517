//! Every state that was tried on real servers: whether the master user's password still works, what a run does, and the way
//! back.

use rds_iam_emulator_server::{CreatorEdges, PostgresVersion};

use super::super::support::Deployment;
use super::ROLES;
use crate::support::{Result, execute};

/// The user that runs statements.
#[derive(Clone, Copy)]
enum By {
    /// The master user, by password.
    Master,
    /// The server's own superuser, in the place of another role.
    Another,
    /// The master user, with a token.
    Token,
}

use By::{Another, Master, Token};

/// The master user's login by password.
#[derive(Clone, Copy, PartialEq)]
enum Password {
    Works,
    /// It has ended on a server that counts the membership that the creator of a role has in it, since 16.
    EndsForCreators,
    Ends,
}

use Password::{Ends, EndsForCreators, Works};

/// A state of a server.
struct State {
    name: &'static str,
    /// The first and the last major version that have the statements.
    versions: (u32, u32),
    statements: &'static [(By, &'static [&'static str])],
    password: Password,
    /// The statements that end a lock-out.
    way_back: &'static [(By, &'static [&'static str])],
}

const ALL: (u32, u32) = (15, 99);
const ONLY_15: (u32, u32) = (15, 15);
const SINCE_16: (u32, u32) = (16, 99);

/// A user that another role made.
const APP: (By, &[&str]) = (Another, &["CREATE ROLE app LOGIN", "GRANT rds_iam TO app"]);

const REVOKE: &[(By, &[&str])] = &[(Token, &["REVOKE app FROM postgres"])];
const DROP: &[(By, &[&str])] = &[(Token, &["DROP ROLE app"])];

const STATES: &[State] = &[
    State {
        name: "rds_iam is granted to the master user",
        versions: ALL,
        statements: &[(Master, &["GRANT rds_iam TO postgres"])],
        password: Ends,
        way_back: &[(Token, &["REVOKE rds_iam FROM postgres"])],
    },
    State {
        name: "a user that the master user made is granted to it",
        versions: ALL,
        statements: &[(Master, &["CREATE ROLE app LOGIN", "GRANT rds_iam TO app", "GRANT app TO postgres"])],
        password: Ends,
        way_back: DROP,
    },
    State {
        name: "a user that another role made is granted to the master user",
        versions: ALL,
        statements: &[APP, (Another, &["GRANT app TO postgres"])],
        password: Ends,
        way_back: REVOKE,
    },
    State {
        name: "a user is made with ADMIN postgres by the master user",
        versions: ONLY_15,
        statements: &[(Master, &["CREATE ROLE app LOGIN ADMIN postgres", "GRANT rds_iam TO app"])],
        password: Ends,
        way_back: REVOKE,
    },
    State {
        name: "a user is made with ADMIN postgres by another role",
        versions: ALL,
        statements: &[(Another, &["CREATE ROLE app LOGIN ADMIN postgres", "GRANT rds_iam TO app"])],
        password: Ends,
        // Since 16 a role with ADMIN revokes what it granted itself, and nothing else.
        way_back: DROP,
    },
    State {
        name: "a user is made with ROLE postgres",
        versions: ALL,
        statements: &[(Another, &["CREATE ROLE app LOGIN ROLE postgres", "GRANT rds_iam TO app"])],
        password: Ends,
        way_back: REVOKE,
    },
    State {
        name: "through a group",
        versions: ALL,
        statements: &[(Master, &["CREATE ROLE grp", "GRANT rds_iam TO grp", "GRANT grp TO postgres"])],
        password: Ends,
        way_back: &[(Token, &["DROP ROLE grp"])],
    },
    State {
        name: "a master user without INHERIT",
        versions: ALL,
        statements: &[APP, (Another, &["ALTER ROLE postgres NOINHERIT", "GRANT app TO postgres"])],
        password: Ends,
        way_back: &[(Another, &["ALTER ROLE postgres INHERIT"]), (Token, &["REVOKE app FROM postgres"])],
    },
    State {
        name: "a membership without INHERIT and SET",
        versions: SINCE_16,
        statements: &[APP, (Another, &["GRANT app TO postgres WITH INHERIT FALSE, SET FALSE"])],
        password: Ends,
        way_back: REVOKE,
    },
    State {
        name: "a membership without INHERIT",
        versions: SINCE_16,
        statements: &[APP, (Another, &["GRANT app TO postgres WITH INHERIT FALSE, SET TRUE"])],
        password: Ends,
        way_back: REVOKE,
    },
    State {
        name: "made by the master user",
        versions: ALL,
        statements: &[(Master, &["CREATE USER app", "GRANT rds_iam TO app"])],
        password: EndsForCreators,
        way_back: DROP,
    },
    State {
        name: "made by the master user with createrole_self_grant",
        versions: SINCE_16,
        statements: &[(
            Master,
            &["SET createrole_self_grant = 'set, inherit'", "CREATE USER app", "GRANT rds_iam TO app"],
        )],
        password: Ends,
        way_back: DROP,
    },
    State {
        name: "made by the master user, which revokes it from itself",
        versions: ALL,
        statements: &[(Master, &["CREATE USER app", "GRANT rds_iam TO app", "REVOKE app FROM postgres"])],
        password: EndsForCreators,
        way_back: DROP,
    },
    State {
        name: "made by the master user, which was a member to create a database",
        versions: ALL,
        statements: &[(
            Master,
            &[
                "CREATE ROLE app LOGIN",
                "GRANT rds_iam TO app",
                "GRANT app TO postgres",
                "CREATE DATABASE d OWNER app",
                "REVOKE app FROM postgres",
            ],
        )],
        password: EndsForCreators,
        way_back: &[(Token, &["REVOKE rds_iam FROM app"])],
    },
    State {
        name: "made in the role rds_iam by the master user",
        versions: ONLY_15,
        statements: &[(Master, &["CREATE ROLE app LOGIN IN ROLE rds_iam"])],
        password: Works,
        way_back: &[],
    },
    State {
        name: "made in the role rds_iam by another role",
        versions: ALL,
        statements: &[(Another, &["CREATE ROLE app LOGIN IN ROLE rds_iam"])],
        password: Works,
        way_back: &[],
    },
    State { name: "made by another role", versions: ALL, statements: &[APP], password: Works, way_back: &[] },
    State {
        name: "made by another role; the master user is a member for some statements",
        versions: SINCE_16,
        statements: &[
            APP,
            (
                Master,
                &[
                    "GRANT app TO postgres WITH INHERIT FALSE, SET TRUE",
                    "SET ROLE app",
                    "SELECT current_user",
                    "RESET ROLE",
                    "REVOKE app FROM postgres",
                ],
            ),
        ],
        password: Works,
        way_back: &[],
    },
    State {
        name: "made by the master user, and dropped",
        versions: ALL,
        statements: &[(Master, &["CREATE USER app", "GRANT rds_iam TO app", "DROP ROLE app"])],
        password: Works,
        way_back: &[],
    },
    State {
        name: "a user that is a member of the master user",
        versions: ALL,
        statements: &[APP, (Another, &["GRANT postgres TO app"])],
        password: Works,
        way_back: &[],
    },
];

#[tokio::test]
async fn each_state_on_15() -> Result {
    each_state(PostgresVersion::V15, CreatorEdges::DoNotCount).await
}

#[tokio::test]
async fn each_state_on_the_newest_where_creators_do_not_count() -> Result {
    each_state(PostgresVersion::NEWEST, CreatorEdges::DoNotCount).await
}

#[tokio::test]
async fn each_state_on_the_newest_where_creators_count() -> Result {
    each_state(PostgresVersion::NEWEST, CreatorEdges::Count).await
}

async fn each_state(version: PostgresVersion, way: CreatorEdges) -> Result {
    let has_statements = |state: &&State| (state.versions.0..=state.versions.1).contains(&version.major());
    for state in STATES.iter().filter(has_statements) {
        let checked = state.check(version, way).await;
        checked.map_err(|error| format!("{}: {error}", state.name))?;
    }
    Ok(())
}

impl State {
    async fn check(&self, version: PostgresVersion, way: CreatorEdges) -> Result {
        let name = self.name;
        let deployment = Deployment::start_as(version, way).await?;
        run(&deployment, self.statements).await?;
        let has_ended = match self.password {
            Works => false,
            EndsForCreators => way == CreatorEdges::Count,
            Ends => true,
        };
        assert_eq!(deployment.master().await.is_err(), has_ended, "{name}");
        if has_ended {
            let refused = deployment.bootstrap(&[]).await?.expect(3).stderr;
            assert!(refused.contains("the server refuses the master user's password"), "{name}: {refused}");
            assert!(refused.contains("The way back"), "{name}: {refused}");
            run(&deployment, self.way_back).await?;
            deployment.master().await?;
        }
        let before = deployment.column(ROLES).await?;
        if way == CreatorEdges::Count {
            // On such a server no run can make the IAM admin.
            let refused = deployment.bootstrap(&[]).await?.expect(3).stderr;
            assert!(
                refused.contains("counts the membership that the creator of a role has"),
                "{name}: {refused}"
            );
            assert_eq!(deployment.column(ROLES).await?, before, "{name}");
        } else {
            let made = deployment.bootstrap(&[]).await?.expect(0).stdout;
            assert!(made.contains("login as the master user: ok, by password"), "{name}: {made}");
            assert_eq!(deployment.column(ROLES).await?, ["app", "iam_admin"], "{name}");
        }
        deployment.master().await?;
        Ok(())
    }
}

async fn run(deployment: &Deployment, statements: &[(By, &[&str])]) -> Result {
    for (by, statements) in statements {
        match by {
            Master => deployment.as_master(statements).await?,
            Another => deployment.as_superuser(statements).await?,
            Token => {
                let mut master = deployment.by_iam("postgres").await?;
                for sql in *statements {
                    execute(&mut master, sql).await?;
                }
            }
        }
    }
    Ok(())
}
