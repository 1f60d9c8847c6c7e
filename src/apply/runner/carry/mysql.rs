//! MySQL and MariaDB: one dump of all databases of users, their users with what they may, and sums of every table.

use super::Kit;

pub(super) const KIT: Kit = Kit {
    serve: r#"set -e
shift
mkdir -p /scratch/data
cp -a /from/. /scratch/data/
rm -f /scratch/data/*.pid
printf "CREATE USER 'dokku_carry'@'localhost' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO 'dokku_carry'@'localhost' WITH GRANT OPTION;\n" "$CARRY_PASSWORD" >/scratch/init.sql
chmod 755 /scratch
chmod 644 /scratch/init.sql
server=$(command -v mysqld || command -v mariadbd)
exec docker-entrypoint.sh "${server##*/}" "$@" --datadir=/scratch/data --skip-networking --skip-log-bin --event-scheduler=OFF --init-file=/scratch/init.sql"#,
    ready: r#"export MYSQL_PWD="${CARRY_PASSWORD:-${MYSQL_ROOT_PASSWORD:-$MARIADB_ROOT_PASSWORD}}"
user=root
[ -z "$CARRY_PASSWORD" ] || user=dokku_carry
"$(command -v mysql || command -v mariadb)" --user="$user" -e 'SELECT 1' >/dev/null && printf 'carry-user %s\n' "$user""#,
    units: None,
    extensions: None,
    users: Some(
        r#"export MYSQL_PWD="${CARRY_PASSWORD:-${MYSQL_ROOT_PASSWORD:-$MARIADB_ROOT_PASSWORD}}"
client() { "$(command -v mysql || command -v mariadb)" --user="$1" --batch --raw --skip-column-names; }
names=$(client "$1" <<'SQL'
SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE host <> '' AND user NOT IN
('', 'root', 'mysql', 'mariadb', 'mysql.sys', 'mysql.session', 'mysql.infoschema', 'mariadb.sys', 'dokku_carry', 'healthcheck', 'PUBLIC');
SQL
) || exit 1
[ -n "$names" ] || exit 0
printf '%s\n' "$names" | while IFS= read -r name; do
printf '%s\n' '/*!80017 SET SESSION print_identified_with_as_hex = 1 */;' "SHOW CREATE USER $name;" "SHOW GRANTS FOR $name;" | client "$1" || exit 1
done | sed -e 's/^CREATE USER /CREATE USER IF NOT EXISTS /' -e 's/$/;/'"#,
    ),
    dump: r#"export MYSQL_PWD="${CARRY_PASSWORD:-${MYSQL_ROOT_PASSWORD:-$MARIADB_ROOT_PASSWORD}}"
names=$("$(command -v mysql || command -v mariadb)" --user="$1" --batch --raw --skip-column-names -e "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')") || exit 1
[ -n "$names" ] || exit 0
dump=$(command -v mysqldump || command -v mariadb-dump)
set -- "$1" --single-transaction --routines --events --triggers --hex-blob --no-tablespaces --default-character-set=utf8mb4
if "$dump" --help 2>/dev/null | grep -q set-gtid-purged; then set -- "$@" --set-gtid-purged=OFF; fi
user=$1
shift
set -- "$@" --databases
while IFS= read -r name; do set -- "$@" "$name"; done <<NAMES
$names
NAMES
exec "$dump" --user="$user" "$@""#,
    restore: r#"export MYSQL_PWD="$MYSQL_ROOT_PASSWORD"
exec "$(command -v mysql || command -v mariadb)" --user=root --binary-mode --default-character-set=utf8mb4"#,
    sums: r#"export MYSQL_PWD="${CARRY_PASSWORD:-${MYSQL_ROOT_PASSWORD:-$MARIADB_ROOT_PASSWORD}}"
client() { "$(command -v mysql || command -v mariadb)" --user="$1" --batch --raw --skip-column-names --default-character-set=utf8mb4; }
statements=$(printf '%s\n' "$3" | client "$1") || exit 1
printf '%s\n' "SET SESSION time_zone = '+00:00', sql_mode = '';" "$statements" | client "$1""#,
    statements: SUMS,
    own_user: "root",
};

/// Makes a statement for each table: the number of its rows and the sum of their digests, whatever their order.
const SUMS: &str = r#"SET SESSION group_concat_max_len = 16777216;
SELECT CONCAT('SELECT CONCAT(''carry ', HEX(CONCAT(t.table_schema, '.', t.table_name)), ' '', COUNT(*), '' '', COALESCE(SUM(CAST(CONV(LEFT(MD5(CONCAT_WS(''#'', ',
GROUP_CONCAT(CONCAT('COALESCE(HEX(CONCAT(`', REPLACE(c.column_name, '`', '``'), '`, '''')), ''~'')') ORDER BY c.ordinal_position SEPARATOR ', '),
')), 15), 16, 10) AS UNSIGNED)), 0)) FROM `', REPLACE(t.table_schema, '`', '``'), '`.`', REPLACE(t.table_name, '`', '``'), '`;')
FROM information_schema.tables t JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
GROUP BY t.table_schema, t.table_name ORDER BY t.table_schema, t.table_name;"#;
