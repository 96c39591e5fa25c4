package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

// The scripts of a cluster, where no transaction spans the nodes. Each touches
// one key. They are loaded (SCRIPT LOAD) and called by their hash: EVAL is not
// among the commands that a writer is allowed. Versions and places compare as
// text of fixed width: numbers of Lua are doubles.
var (
	// rowScript replaces a row by an equal or newer one.
	// ARGV: version, milliseconds to live ("": for ever; below 0: only where no row
	// stands there yet), how many arguments of HSET follow, these, the fields that
	// have no value. What is there is looked at
	// before the first write, so that a refused row is left whole.
	rowScript = newScript(`
local old = redis.call('HGET', KEYS[1], '_v')
local new, n, result = ARGV[1], tonumber(ARGV[3]), 0
if old then
  if #old ~= #new then return redis.error_reply('ERR _v of the row is no version: was it written by another program?') end
  if old > new then return 2 end
  if old == new then
    result = 1
    for i = 4, 3 + n, 2 do
      if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i+1] then result = 3 end
    end
    for i = 4 + n, #ARGV do
      if redis.call('HGET', KEYS[1], ARGV[i]) then result = 3 end
    end
  end
end
for i = 4, 3 + n, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, 3 + n)))
end
for i = 4 + n, #ARGV, 1000 do
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
if ARGV[2] ~= '' and (not old or tonumber(ARGV[2]) > 0) then redis.call('PEXPIRE', KEYS[1], math.abs(ARGV[2])) end
return result`)

	// beatScript raises a node's heartbeat, unless it is a later one or older
	// than what was acknowledged (ARGV[2], its place). It gives what stood there,
	// and whether it was raised.
	beatScript = newScript(`
local old = redis.call('GET', KEYS[1]) or ''
local place = string.sub(old, 1, ` + strconv.Itoa(beatDigits) + `)
if place > string.sub(ARGV[1], 1, ` + strconv.Itoa(beatDigits) + `) or place < ARGV[2] then return {0, old} end
redis.call('SET', KEYS[1], ARGV[1])
return {1, old}`)

	// fenceScript raises the fence to a number (ARGV[1]) and a word, unless it
	// is as high and not ours. It gives what stands there then.
	fenceScript = newScript(`
local old, new = redis.call('GET', KEYS[1]) or '0', ARGV[1] .. ' ' .. ARGV[2]
local number = tonumber(string.match(old, '^%d+'))
if not number then return redis.error_reply('ERR the fence is no owner number: was it edited by hand?') end
if number > tonumber(ARGV[1]) or number == tonumber(ARGV[1]) and old ~= new then return old end
redis.call('SET', KEYS[1], new)
return new`)

	// metaScript puts meta back. Its two counters (their fields, then their
	// values come first) never go back.
	metaScript = newScript(`
for i = 1, 2 do
  local old = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0') or 0
  if old < tonumber(ARGV[i+2]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+2]) end
end
if #ARGV > 4 then redis.call('HSET', KEYS[1], unpack(ARGV, 5)) end
return 1`)
)

// script is a script by its hash. (The client's own Script forgets its hash when
// it is loaded in a pipeline.)
type script struct{ source, hash string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source, hex.EncodeToString(sum[:])}
}

// on calls the script for a key, on whatever has it loaded.
func (s script) on(ctx context.Context, client goredis.UniversalClient, key string, args ...any) *goredis.Cmd {
	return client.EvalSha(ctx, s.hash, []string{key}, args...)
}

// What rowScript answers.
const (
	rowAccepted = iota
	rowEqual    // the same version with the same bytes
	rowStale    // a newer one stands there
	rowDiffers  // the same version with other bytes: replaced
)

// scripts gives the commands of a cluster's pipeline: one call of rowScript for
// each row. They are valid until the next call.
func (e *encoder) scripts(ctx context.Context, rows []sinks.VersionedRow) []goredis.Cmder {
	e.text, e.cells, e.args = e.text[:0], e.cells[:0], e.args[:0]
	clear(e.commands)
	e.commands = e.commands[:0]
	for i := range rows {
		e.script(ctx, &rows[i])
	}
	return e.commands
}

func (e *encoder) script(ctx context.Context, row *sinks.VersionedRow) {
	names := e.namesOf(row.Layout)
	key, ttl := e.key(names, row), names.ttl
	switch {
	case ttl == nil:
		ttl = ""
	case e.expires.kept(key, names.extra):
		ttl = names.ifNew
	}
	start := len(e.args)
	version := e.cell(appendVersion(e.text, row.Version))
	e.args = append(e.args, "evalsha", rowScript.hash, 1, key, version, ttl, nil)
	first := len(e.args)
	e.fields(names, row, version)
	e.args[first-1] = len(e.args) - first
	e.missing(names, row)
	e.command(ctx, start)
}

// rowKey is the key of a command of scripts.
func rowKey(command goredis.Cmder) string {
	key, _ := command.Args()[3].(string)
	return key
}

// answerOf reads what rowScript has answered.
func answerOf(command goredis.Cmder) (int64, error) {
	cmd, ok := command.(*goredis.Cmd)
	if !ok {
		return 0, fmt.Errorf("%s is no call of a script", command.Name())
	}
	return cmd.Int64()
}
