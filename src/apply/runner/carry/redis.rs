//! Redis and Valkey: all commands that make the keys anew (an append-only file without a snapshot in it), and sums of the
//! keys of each database.

use super::Kit;

pub(super) const KIT: Kit = Kit {
    serve: r#"set -e
shift
mkdir -p /scratch/data
cp -a /from/. /scratch/data/
kept=no
if [ -s /scratch/data/appendonly.aof ] || [ -d /scratch/data/appendonlydir ]; then kept=yes; fi
exec "$(command -v redis-server || command -v valkey-server)" "$@" --dir /scratch/data --port 0 --unixsocket /scratch/socket --save '' --appendonly "$kept" --aof-use-rdb-preamble no"#,
    ready: r#"said=$("$(command -v redis-cli || command -v valkey-cli)" -s /scratch/socket ping 2>&1)
if [ "$said" = PONG ]; then echo 'carry-user default'; else printf '%s\n' "$said"; exit 1; fi"#,
    units: None,
    extensions: None,
    users: None,
    dump: r#"set -e
cli() { "$(command -v redis-cli || command -v valkey-cli)" -s /scratch/socket "$@"; }
cli config set appendonly no >/dev/null
cli config set appendonly yes >/dev/null
said=$(cli info persistence)
while printf '%s' "$said" | grep -q -e 'aof_rewrite_in_progress:1' -e 'aof_rewrite_scheduled:1'; do
sleep 1
said=$(cli info persistence)
done
printf '%s' "$said" | grep -q 'aof_last_bgrewrite_status:ok' || { echo 'the server could not write its commands' >&2; exit 1; }
cd /scratch/data
for list in appendonlydir/*.manifest; do
[ -e "$list" ] || exec cat appendonly.aof
exec cat "appendonlydir/$(sed -n 's/^file \([^ ]*\) .*type b.*/\1/p' "$list")"
done"#,
    restore: r#"IFS= read -r REDISCLI_AUTH
export REDISCLI_AUTH
exec "$(command -v redis-cli || command -v valkey-cli)" --pipe"#,
    sums: r#"set -- "$3"
socket=
if [ -S /scratch/socket ]; then socket='-s /scratch/socket'; else IFS= read -r REDISCLI_AUTH; export REDISCLI_AUTH; fi
exec "$(command -v redis-cli || command -v valkey-cli)" $socket eval "$1" 0"#,
    statements: SUMS,
    own_user: "default",
};

/// For each database the number of keys that do not expire, and what their types, names and values come to.
const SUMS: &str = r"local out = {}
local function joined(list) return table.concat(list, '\1') end
local function flat(value)
  if type(value) ~= 'table' then return tostring(value) end
  local all = {}
  for _, one in ipairs(value) do all[#all + 1] = flat(one) end
  return joined(all)
end
for db = 0, 1023 do
  if not pcall(redis.call, 'SELECT', db) then break end
  local count, high, low = 0, 0, 0
  for _, key in ipairs(redis.call('KEYS', '*')) do
    if redis.call('PTTL', key) == -1 then
      local kind = redis.call('TYPE', key).ok
      local value
      if kind == 'string' then value = redis.call('GET', key)
      elseif kind == 'list' then value = joined(redis.call('LRANGE', key, 0, -1))
      elseif kind == 'set' then
        local all = redis.call('SMEMBERS', key)
        table.sort(all)
        value = joined(all)
      elseif kind == 'hash' then
        local all, pairs = redis.call('HGETALL', key), {}
        for at = 1, #all, 2 do pairs[#pairs + 1] = all[at] .. '\2' .. all[at + 1] end
        table.sort(pairs)
        value = joined(pairs)
      elseif kind == 'zset' then value = joined(redis.call('ZRANGE', key, 0, -1, 'WITHSCORES'))
      elseif kind == 'stream' then value = flat(redis.call('XRANGE', key, '-', '+'))
      else value = redis.call('DUMP', key) end
      local digest = redis.sha1hex(kind .. '\1' .. key .. '\1' .. value)
      count = count + 1
      high = bit.bxor(high, tonumber(digest:sub(1, 8), 16))
      low = bit.bxor(low, tonumber(digest:sub(9, 16), 16))
    end
  end
  if count > 0 then
    local name = ('database ' .. db):gsub('.', function(one) return string.format('%02x', one:byte()) end)
    out[#out + 1] = 'carry ' .. name .. ' ' .. count .. ' ' .. string.format('%d/%d', high, low)
  end
end
return out";
