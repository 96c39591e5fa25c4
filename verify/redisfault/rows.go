package redisfault

import (
	"context"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Rows reads every row below a namespace, by its key.
func Rows(ctx context.Context, client *goredis.Client, namespace string) (map[string]map[string]string, error) {
	rows := map[string]map[string]string{}
	var keys []string
	it := client.Scan(ctx, 0, "freshet:"+namespace+":{*", 5000).Iterator()
	for it.Next(ctx) {
		keys = append(keys, it.Val())
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	for len(keys) > 0 {
		n := min(len(keys), 1000)
		pipe := client.Pipeline()
		for _, key := range keys[:n] {
			pipe.HGetAll(ctx, key)
		}
		replies, err := pipe.Exec(ctx)
		if err != nil {
			return nil, err
		}
		for i, reply := range replies {
			rows[keys[i]] = reply.(*goredis.MapStringStringCmd).Val()
		}
		keys = keys[n:]
	}
	return rows, nil
}

// Whole reports whether a writer vouches for every row: there is a sign of life
// and the heartbeat does not say that rows are being written anew.
func Whole(ctx context.Context, client *goredis.Client, namespace string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	alive, err := client.Exists(ctx, "freshet:"+namespace+":alive").Result()
	if err != nil || alive == 0 {
		return false
	}
	beat, err := client.Get(ctx, "freshet:"+namespace+":heartbeat").Result()
	return err == nil && !strings.HasSuffix(beat, "rewriting")
}
