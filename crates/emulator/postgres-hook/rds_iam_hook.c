/*
 * The module that the emulator's PostgreSQL preloads: rules of RDS that PostgreSQL does not have.
 * README.md states what each part does, why it is safe, and how it differs from RDS.
 */
#include "postgres.h"

/* Without these, Port has untyped pointers in the places of theirs: the offsets stay the same, and their headers are not needed. */
#undef USE_OPENSSL
#undef ENABLE_GSS

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "commands/user.h"
#include "fmgr.h"
#include "libpq/auth.h"
#include "libpq/libpq-be.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "parser/parse_node.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

#define UTILITY_PARAMETERS \
	PlannedStmt *planned, const char *query, bool read_only_tree, ProcessUtilityContext context, \
	ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion
#define RUN_UTILITY(statement, read_only) \
	(next_utility ? next_utility : standard_ProcessUtility) \
		(statement, query, read_only, context, parameters, environment, receiver, completion)

/* The superuser's name. The names of all other roles of the emulator itself begin with it. */
#define SUPERUSER "rdsadmin"

/* The role whose members pg_hba.conf admits by password, whether or not they are members of rds_iam. */
#define BY_PASSWORD SUPERUSER "_scram"

PGDLLEXPORT void _PG_init(void);

static ProcessUtility_hook_type next_utility;
static ClientAuthentication_hook_type next_authentication;
static char *control_folder;
static bool force_ssl = true;

static bool changes_roles(const Node *statement) {
	return IsA(statement, CreateRoleStmt) || IsA(statement, AlterRoleStmt) || IsA(statement, DropRoleStmt) ||
		IsA(statement, GrantRoleStmt) || IsA(statement, DropOwnedStmt);
}

#if PG_VERSION_NUM < 160000

/*
 * Roles that a role with CREATEROLE may grant before 16. With the first three it could run programs as the server's user.
 */
static const char *const not_granted[] = {
	"pg_read_server_files", "pg_write_server_files", "pg_execute_server_program", BY_PASSWORD
};

static int count_members(const char *role) {
	CatCList *members = SearchSysCacheList1(AUTHMEMROLEMEM, ObjectIdGetDatum(get_role_oid(role, true)));
	int count = members->n_members;

	ReleaseSysCacheList(members);
	return count;
}

static void utility(UTILITY_PARAMETERS) {
	bool check = changes_roles(planned->utilityStmt) && !superuser();
	int before[lengthof(not_granted)];

	for (int i = 0; check && i < (int) lengthof(not_granted); i++)
		before[i] = count_members(not_granted[i]);
	RUN_UTILITY(planned, read_only_tree);
	if (check)
		CommandCounterIncrement();
	for (int i = 0; check && i < (int) lengthof(not_granted); i++)
		if (count_members(not_granted[i]) > before[i])
			ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to grant role \"%s\"", not_granted[i]));
}

#else

enum { DO_NOT_COUNT, COUNT };
static const struct config_enum_entry creator_edges_values[] = {
	{"do_not_count", DO_NOT_COUNT, false}, {"count", COUNT, false}, {NULL, 0, false}
};
static int creator_edges = DO_NOT_COUNT;
static bool roles_changed;

/* Whether PostgreSQL made this membership by itself, for the creator of a role. rds_iam was made by the superuser. */
static bool is_creator_edge(Form_pg_auth_members edge, Oid rds_iam) {
	return edge->grantor == BOOTSTRAP_SUPERUSERID && edge->admin_option && !edge->inherit_option &&
		!edge->set_option && edge->roleid != rds_iam;
}

/*
 * Returns the role and the roles of which it is a member, directly or through others, up to the target if there is one.
 */
static List *reach(Oid role, Oid target, bool through_creator_edges) {
	List *found = list_make1_oid(role);
	ListCell *each;

	/* foreach() allows a list to grow while it is walked. */
	foreach(each, found) {
		CatCList *edges = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(lfirst_oid(each)));

		for (int i = 0; i < edges->n_members; i++) {
			Form_pg_auth_members edge = (Form_pg_auth_members) GETSTRUCT(&edges->members[i]->tuple);

			if (through_creator_edges || !is_creator_edge(edge, target))
				found = list_append_unique_oid(found, edge->roleid);
		}
		ReleaseSysCacheList(edges);
		if (list_member_oid(found, target))
			break;
	}
	return found;
}

/* Whether the user may have everything that a member of the role would get. */
static bool may_be_granted(Oid user, Oid role) {
	bool allowed = true;
	ListCell *each;

	foreach(each, reach(role, InvalidOid, true)) {
		HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(lfirst_oid(each)));
		Form_pg_authid form;

		if (!HeapTupleIsValid(tuple))
			return false;
		form = (Form_pg_authid) GETSTRUCT(tuple);
		allowed = allowed && !form->rolsuper && !form->rolreplication && !form->rolbypassrls &&
			strncmp(NameStr(form->rolname), SUPERUSER, strlen(SUPERUSER)) != 0 &&
			(!IsReservedName(NameStr(form->rolname)) || is_member_of_role(user, form->oid));
		ReleaseSysCache(tuple);
	}
	return allowed;
}

/*
 * Whether PostgreSQL would refuse this statement to the user, and the superuser runs it instead. Replaces CURRENT_USER and
 * the like, which mean the user.
 */
static bool runs_as_superuser(Oid user, GrantRoleStmt *statement) {
	Oid rds_superuser = get_role_oid("rds_superuser", true);
	bool refused = false;
	ListCell *each;

	if (statement->grantor || superuser() || !OidIsValid(rds_superuser) || !has_privs_of_role(user, rds_superuser))
		return false;
	foreach(each, statement->granted_roles) {
		AccessPriv *granted = lfirst_node(AccessPriv, each);
		Oid role = granted->priv_name ? get_role_oid(granted->priv_name, true) : InvalidOid;

		if (granted->cols || !OidIsValid(role) || IsReservedName(granted->priv_name) || !may_be_granted(user, role))
			return false;
		refused |= !OidIsValid(select_best_admin(user, role));
	}
	foreach(each, statement->grantee_roles) {
		RoleSpec *grantee = lfirst_node(RoleSpec, each);
		Oid role = grantee->roletype == ROLESPEC_PUBLIC ? InvalidOid : get_rolespec_oid(grantee, true);

		if (!OidIsValid(role) || superuser_arg(role))
			return false;
		grantee->roletype = ROLESPEC_CSTRING;
		grantee->rolename = GetUserNameFromId(role, false);
		if (IsReservedName(grantee->rolename) || strncmp(grantee->rolename, SUPERUSER, strlen(SUPERUSER)) == 0)
			return false;
	}
	return refused;
}

static void utility(UTILITY_PARAMETERS) {
	PlannedStmt *copy = IsA(planned->utilityStmt, GrantRoleStmt) ? copyObject(planned) : NULL;
	Oid user;
	int security;

	roles_changed |= changes_roles(planned->utilityStmt);
	GetUserIdAndSecContext(&user, &security);
	if (!copy || !runs_as_superuser(user, castNode(GrantRoleStmt, copy->utilityStmt))) {
		RUN_UTILITY(planned, read_only_tree);
		return;
	}
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	PG_TRY(); {
		RUN_UTILITY(copy, false);
	}
	PG_FINALLY(); {
		SetUserIdAndSecContext(user, security);
	}
	PG_END_TRY();
}

/* Makes the role a member of BY_PASSWORD, without any use of it, or removes it. */
static void set_by_password(Oid role, bool member) {
	GrantRoleStmt *statement = makeNode(GrantRoleStmt);
	AccessPriv *granted = makeNode(AccessPriv);
	RoleSpec *grantee = makeNode(RoleSpec);

	granted->priv_name = pstrdup(BY_PASSWORD);
	grantee->roletype = ROLESPEC_CSTRING;
	grantee->rolename = GetUserNameFromId(role, false);
	statement->granted_roles = list_make1(granted);
	statement->grantee_roles = list_make1(grantee);
	statement->is_grant = member;
	if (member)
		statement->opt = list_make2(makeDefElem(pstrdup("inherit"), (Node *) makeBoolean(false), -1),
									makeDefElem(pstrdup("set"), (Node *) makeBoolean(false), -1));
	GrantRole(make_parsestate(NULL), statement);
}

/* Gives BY_PASSWORD the members that it should have: roles that are members of rds_iam by creator edges only. */
static void update_by_password(void) {
	Oid by_password = get_role_oid(BY_PASSWORD, true), rds_iam = get_role_oid("rds_iam", true);
	List *roles = NIL;
	Relation table;
	SysScanDesc scan;
	HeapTuple tuple;
	ListCell *each;

	if (!OidIsValid(by_password))
		return;
	/* One transaction at a time, until it has committed: each works on the result of the one before. */
	LockSharedObject(AuthIdRelationId, by_password, 0, ShareUpdateExclusiveLock);
	table = table_open(AuthMemRelationId, AccessShareLock);
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
		Form_pg_auth_members edge = (Form_pg_auth_members) GETSTRUCT(tuple);

		if (edge->roleid == by_password || is_creator_edge(edge, rds_iam))
			roles = list_append_unique_oid(roles, edge->member);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	foreach(each, roles) {
		Oid role = lfirst_oid(each);
		bool member = SearchSysCacheExists3(AUTHMEMROLEMEM, ObjectIdGetDatum(by_password), ObjectIdGetDatum(role),
											ObjectIdGetDatum(BOOTSTRAP_SUPERUSERID));
		bool should_be = creator_edges == DO_NOT_COUNT && OidIsValid(rds_iam) &&
			list_member_oid(reach(role, rds_iam, true), rds_iam) &&
			!list_member_oid(reach(role, rds_iam, false), rds_iam);

		if (member != should_be && SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
			set_by_password(role, should_be);
	}
}

/* Runs at the events of a transaction. PostgreSQL runs no code of users between the last one before the commit and it. */
static void transaction(XactEvent event, void *argument) {
	Oid user;
	int security;

	(void) argument;
	if (!roles_changed)
		return;
	roles_changed = false;
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		return;
	CommandCounterIncrement();
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, security | SECURITY_LOCAL_USERID_CHANGE);
	PG_TRY(); {
		update_by_password();
	}
	PG_FINALLY(); {
		SetUserIdAndSecContext(user, security);
	}
	PG_END_TRY();
}

#endif

static void fail(const char *operation, const char *path) {
	ereport(FATAL, errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", operation, path));
}

/* Whether the next login is one of those to refuse, which it counts. The file is described in control/src/refusals.rs. */
static bool take_refusal(void) {
	char *path = psprintf("%s/throttle", control_folder), text[64], end = '\0';
	unsigned long long serial;
	unsigned int left;
	ssize_t length;
	int file;

	file = open(path, O_RDWR | O_CLOEXEC);
	if (file < 0 && errno == ENOENT)
		return false;
	if (file < 0)
		fail("open", path);
	/* A wait in the kernel would end neither at authentication_timeout nor when the server stops. */
	while (flock(file, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			fail("lock", path);
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
	length = read(file, text, sizeof(text) - 1);
	if (length < 0)
		fail("read", path);
	text[length] = '\0';
	/* An empty file was created by the emulator, which waits for the lock to write its order. */
	if (length == 0)
		left = 0;
	else if (strspn(text, "0123456789 \n") != (size_t) length ||
			 sscanf(text, "%llu %u%c", &serial, &left, &end) != 3 || end != '\n')
		ereport(FATAL, errmsg("file \"%s\" has no serial number and count of logins to refuse", path));
	if (left > 0) {
		length = snprintf(text, sizeof(text), "%llu %u\n", serial, left - 1);
		if (pwrite(file, text, length, 0) != length || ftruncate(file, length) != 0)
			fail("write to", path);
	}
	close(file);
	return left > 0;
}

static void authentication(Port *port, int status) {
	if (next_authentication)
		next_authentication(port, status);
	/* A client that has closed the connection, to ask for a password, tried no login. */
	if (status != STATUS_EOF && port->raddr.addr.ss_family != AF_UNIX && strcmp(port->user_name, SUPERUSER) != 0 &&
		control_folder[0] != '\0' && take_refusal())
		ereport(FATAL, errcode(ERRCODE_TOO_MANY_CONNECTIONS), errmsg("IAM authentication rate limit exceeded"));
}

void _PG_init(void) {
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR, errmsg("rds_iam_hook must be in shared_preload_libraries"));
	DefineCustomStringVariable("rds_iam.control", "The folder of the emulator's control files.", NULL,
							   &control_folder, "", PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomBoolVariable("rds.force_ssl", "Whether connections without TLS are refused; pg_hba.conf refuses them.",
							 NULL, &force_ssl, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 160000
	DefineCustomEnumVariable("rds_iam.creator_edges", "Whether the membership of a role's creator counts for rds_iam.",
							 NULL, &creator_edges, DO_NOT_COUNT, creator_edges_values, PGC_SIGHUP, 0, NULL, NULL, NULL);
	RegisterXactCallback(transaction, NULL);
#endif
	MarkGUCPrefixReserved("rds_iam");
	next_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	next_authentication = ClientAuthentication_hook;
	ClientAuthentication_hook = authentication;
}
