//! The statements that read a server. Every user may read these catalogs; `pg_authid`, which has the passwords, is not
//! among them. Sessions have the search path `pg_catalog`, so that no other object can take the name of one.

/// The version, and whether the server refuses connections without TLS. The setting is RDS's.
pub(super) const SERVER: &str = "SELECT current_setting('server_version_num')::int4, \
     coalesce(current_setting('rds.force_ssl', true), '')::text";

pub(super) const ROLES: &str = "SELECT rolname::text, rolcanlogin, rolinherit, rolcreaterole, rolcreatedb, \
     rolsuper, rolreplication, rolbypassrls, rolconnlimit, coalesce(rolconfig, '{}')::text[] FROM pg_roles";

/// The settings of roles for the database in use, which prevail over those for all.
pub(super) const SETTINGS: &str = "SELECT r.rolname::text, s.setconfig::text[] FROM pg_db_role_setting s \
     JOIN pg_roles r ON r.oid = s.setrole JOIN pg_database d ON d.oid = s.setdatabase \
     WHERE d.datname = current_database()";

/// Memberships before 16, which have neither of the two options.
pub(super) const MEMBERSHIPS_15: &str = "SELECT m.rolname::text, r.rolname::text, \
     coalesce(pg_get_userbyid(a.grantor), '')::text, a.admin_option, true, true, false \
     FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid";

/// Memberships since 16. The last column is whether the creation of the role made it: in the name of the server's own
/// superuser, whose number is 10, with ADMIN and nothing else.
pub(super) const MEMBERSHIPS_16: &str = "SELECT m.rolname::text, r.rolname::text, \
     coalesce(pg_get_userbyid(a.grantor), '')::text, a.admin_option, a.inherit_option, a.set_option, \
     a.admin_option AND NOT a.inherit_option AND NOT a.set_option AND a.grantor = 10 \
     FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid";

/// Databases: name, owner, and whether every role may connect.
pub(super) const DATABASES: &str = "SELECT datname::text, pg_get_userbyid(datdba)::text, \
     EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) a \
     WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT') FROM pg_database";

pub(super) const SCHEMAS: &str = "SELECT nspname::text, pg_get_userbyid(nspowner)::text FROM pg_namespace";

/// Tables, views and sequences of the schemas `$1`.
pub(super) const RELATIONS: &str = "SELECT n.nspname::text, c.relname::text, c.relkind = 'S', \
     pg_get_userbyid(c.relowner)::text, EXISTS (SELECT FROM pg_depend d \
     WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";

/// Functions and procedures of the schemas `$1`.
pub(super) const ROUTINES: &str = "SELECT n.nspname::text, p.proname::text, \
     pg_get_function_identity_arguments(p.oid), pg_get_userbyid(p.proowner)::text, \
     EXISTS (SELECT FROM pg_depend d \
     WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e') \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)";

pub(super) const EXTENSIONS: &str = "SELECT extname::text, true FROM pg_extension \
     UNION ALL SELECT name::text, false FROM pg_available_extensions";

/// The privileges of the roles `$1` on everything that they don't own, default privileges included: kind, three parts of
/// the object's name, grantee, grantor, privilege, grant option, owner.
pub(super) const PRIVILEGES: &str = "\
WITH acl(kind, a, b, c, owner, items) AS (
  SELECT 'd', datname::text, '', '', datdba, datacl FROM pg_database WHERE datacl IS NOT NULL
  UNION ALL
  SELECT 'n', nspname::text, '', '', nspowner, nspacl FROM pg_namespace WHERE nspacl IS NOT NULL
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END, n.nspname::text, c.relname::text, '', c.relowner, c.relacl
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relacl IS NOT NULL
  UNION ALL
  SELECT 'c', n.nspname::text, c.relname::text, t.attname::text, c.relowner, t.attacl
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.attacl IS NOT NULL AND NOT t.attisdropped
  UNION ALL
  SELECT 'f', n.nspname::text, p.proname::text, pg_get_function_identity_arguments(p.oid), p.proowner, p.proacl
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proacl IS NOT NULL
  UNION ALL
  SELECT 'D', coalesce(n.nspname::text, ''), pg_get_userbyid(d.defaclrole)::text, d.defaclobjtype::text,
    d.defaclrole, d.defaclacl
    FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  UNION ALL
  SELECT 'o', 'TYPE', n.nspname::text, t.typname::text, t.typowner, t.typacl
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typacl IS NOT NULL
  UNION ALL
  SELECT 'o', 'FOREIGN SERVER', '', srvname::text, srvowner, srvacl FROM pg_foreign_server WHERE srvacl IS NOT NULL
  UNION ALL
  SELECT 'o', 'FOREIGN DATA WRAPPER', '', fdwname::text, fdwowner, fdwacl
    FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
  UNION ALL
  SELECT 'o', 'LANGUAGE', '', lanname::text, lanowner, lanacl FROM pg_language WHERE lanacl IS NOT NULL
  UNION ALL
  SELECT 'o', 'LARGE OBJECT', '', oid::text, lomowner, lomacl FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL
  UNION ALL
  SELECT 'o', 'PARAMETER', '', parname, 10::oid, paracl FROM pg_parameter_acl
  UNION ALL
  SELECT 'o', 'TABLESPACE', '', spcname::text, spcowner, spcacl FROM pg_tablespace WHERE spcacl IS NOT NULL)
SELECT acl.kind, acl.a, acl.b, acl.c, r.rolname::text, pg_get_userbyid(e.grantor)::text, e.privilege_type,
  e.is_grantable, pg_get_userbyid(acl.owner)::text
FROM acl CROSS JOIN LATERAL aclexplode(acl.items) e JOIN pg_roles r ON r.oid = e.grantee
WHERE e.grantee <> acl.owner AND r.rolname = ANY($1)";

/// What the roles `$1` own: the number of objects in all databases, and one in this database in words.
pub(super) const OWNED: &str = "SELECT r.rolname::text, count(*), \
     min(CASE WHEN d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
     THEN pg_describe_object(d.classid, d.objid, d.objsubid) END) \
     FROM pg_shdepend d JOIN pg_roles r ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid \
     WHERE d.deptype = 'o' AND r.rolname = ANY($1) GROUP BY 1";

/// Whether the role `$1` owns an object or has privileges on one, in any database; and whether the advisory lock `$2`,
/// `$3` is held.
pub(super) const CANARY: &str = "SELECT EXISTS (SELECT FROM pg_shdepend d \
     WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid), \
     EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted \
     AND l.classid::int8 = $2 AND l.objid::int8 = $3 AND l.objsubid = 2) \
     FROM pg_roles r WHERE r.rolname = $1";
