//! PostgreSQL: a dump of each database by `pg_dump`, roles by `pg_dumpall`, and sums of every table.

use super::Kit;

pub(super) const KIT: Kit = Kit {
    serve: r#"set -e
from="/from/$1"
shift
mkdir -p /scratch/data
cp -a "$from/." /scratch/data/
rm -f /scratch/data/postmaster.pid /scratch/data/standby.signal /scratch/data/recovery.signal
printf 'local all all trust\n' >/scratch/hba.conf
chmod 755 /scratch
chmod 644 /scratch/hba.conf
export PGDATA=/scratch/data
exec docker-entrypoint.sh postgres "$@" -c hba_file=/scratch/hba.conf -c listen_addresses= -c archive_mode=off -c ssl=off"#,
    ready: r#"export PGPASSWORD="$POSTGRES_PASSWORD"
none=yes
for user in "$POSTGRES_USER" "$@" postgres; do
[ -n "$user" ] || continue
said=$(psql -XAtq -U "$user" -d template1 -c 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user' 2>&1)
if [ "$said" = t ]; then printf 'carry-user %s\n' "$user"; exit 0; fi
case "$said" in f | *'role "'*'does not exist'*) ;; *) none=no ;; esac
printf '%s\n' "$said"
done
[ "$none" = no ] || echo carry-none
exit 1"#,
    units: Some(
        r#"export PGPASSWORD="$POSTGRES_PASSWORD"
exec psql -XAtq -U "$1" -d template1 -c "SELECT 'carry ' || encode(convert_to(datname, 'UTF8'), 'hex') FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname""#,
    ),
    extensions: Some(
        r#"export PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$2"
exec psql -XAtq -U "$1" -c "SELECT 'carry ' || extname FROM pg_extension""#,
    ),
    users: Some(
        r#"export PGPASSWORD="$POSTGRES_PASSWORD"
exec pg_dumpall --roles-only -U "$1""#,
    ),
    dump: r#"export PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$2"
exec pg_dump --format=custom -U "$1""#,
    restore: r#"export PGPASSWORD="$POSTGRES_PASSWORD"
if [ "$1" = create ]; then exec pg_restore --exit-on-error --create -U postgres -d postgres; fi
exec pg_restore --exit-on-error -U postgres -d "$2""#,
    sums: r#"export PGPASSWORD="$POSTGRES_PASSWORD" PGDATABASE="$2"
printf '%s\n' "$3" | psql -XAtq -v ON_ERROR_STOP=1 -U "$1""#,
    statements: SUMS,
    own_user: "postgres",
};

/// The directory of an image in which it has its extensions' files: their names without the end.
pub(super) const AVAILABLE: &str = "find / -xdev -path '*/extension/*.control' 2>/dev/null";

/// For each table the number of its rows and the sum of their digests, whatever their order; for each sequence where it is.
/// The settings are those that change how a value is written. What belongs to an extension is its own.
const SUMS: &str = r#"SET extra_float_digits = 3;
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET search_path = '';
CREATE TEMPORARY VIEW dokku_carried AS
SELECT c.relkind AS kind, n.nspname AS schema, c.relname AS name,
'carry ' || encode(convert_to(n.nspname || '.' || c.relname, 'UTF8'), 'hex') || ' ' AS head
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't' AND c.relispopulated
AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
SELECT format('SELECT %L || count(*) || '' '' || coalesce(sum((''x'' || substr(md5("dokku row"::text), 1, 16))::bit(64)::bigint), 0) FROM ONLY %I.%I AS "dokku row"', head, schema, name)
FROM pg_temp.dokku_carried WHERE kind IN ('r', 'm') ORDER BY head
\gexec
SELECT format('SELECT %L || ''0 '' || last_value || ''/'' || is_called FROM %I.%I', head, schema, name)
FROM pg_temp.dokku_carried WHERE kind = 'S' ORDER BY head
\gexec
SELECT 'carry 6c61726765206f626a65637473 ' || count(*) || ' ' || coalesce(sum(('x' || substr(md5(l::text), 1, 16))::bit(64)::bigint), 0) FROM pg_catalog.pg_largeobject l HAVING count(*) > 0;"#;

/// Roles as they are made in a service whose own superuser is `postgres`: that one stays as the plugin made it, and a role
/// that is there already is no error. Whoever granted is not kept: in a service only `postgres` may grant everything.
pub(super) fn users(dumped: &str) -> String {
    let mut out = String::new();
    for line in dumped.lines() {
        let own = line == "CREATE ROLE postgres;" || line.starts_with("ALTER ROLE postgres ");
        if own || line.is_empty() || line.starts_with("--") || line.starts_with('\\') {
            continue;
        }
        if line.starts_with("CREATE ROLE ") {
            out.push_str(&format!("DO $carry$ BEGIN {line} EXCEPTION WHEN duplicate_object THEN NULL; END $carry$;\n"));
            continue;
        }
        match line.find(" GRANTED BY ").filter(|_| line.starts_with("GRANT ")) {
            Some(at) => out.push_str(&format!("{};\n", &line[..at])),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::users;

    #[test]
    fn roles_are_made_beside_the_plugins_own() {
        let dumped = "--\n-- Roles\n--\n\\restrict abc\nCREATE ROLE app;\nALTER ROLE app WITH SUPERUSER PASSWORD 'SCRAM-SHA-256$x';\n\
                      CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'x';\n\
                      GRANT reader TO app WITH INHERIT TRUE GRANTED BY app;\n\\unrestrict abc\n";
        let text = users(dumped);
        assert!(text.starts_with("DO $carry$ BEGIN CREATE ROLE app; EXCEPTION"), "{text}");
        assert!(text.contains("ALTER ROLE app WITH SUPERUSER PASSWORD 'SCRAM-SHA-256$x';\n"), "{text}");
        assert!(text.contains("GRANT reader TO app WITH INHERIT TRUE;\n"), "{text}");
        assert!(!text.contains("postgres") && !text.contains("restrict"), "{text}");
    }
}
