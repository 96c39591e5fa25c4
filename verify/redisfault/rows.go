package redisfault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Rows reads every row below a namespace, by its key, from a server or from all
// masters of a cluster.
func Rows(ctx context.Context, client goredis.UniversalClient, namespace string) (map[string]map[string]string, error) {
	return SomeRows(ctx, client, namespace, func(string) bool { return true })
}

// SomeRows finds every row and reads those that are chosen by their key; the
// others have no hash, not an empty one.
func SomeRows(ctx context.Context, client goredis.UniversalClient, namespace string, chosen func(key string) bool) (map[string]map[string]string, error) {
	rows := map[string]map[string]string{}
	var mu sync.Mutex
	var keys []string
	scan := func(ctx context.Context, node *goredis.Client) error {
		it := node.Scan(ctx, 0, "freshet:"+namespace+":{*", 5000).Iterator()
		for it.Next(ctx) {
			mu.Lock()
			keys = append(keys, it.Val())
			mu.Unlock()
		}
		return it.Err()
	}
	var err error
	switch client := client.(type) {
	case *goredis.Client:
		err = scan(ctx, client)
	case *goredis.ClusterClient:
		err = client.ForEachMaster(ctx, scan)
	}
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		rows[key] = nil
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return !chosen(key) })
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
// and no heartbeat says that rows are being written anew.
func Whole(ctx context.Context, client goredis.UniversalClient, namespace string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	alive, err := client.Exists(ctx, "freshet:"+namespace+":alive").Result()
	if err != nil || alive == 0 {
		return false
	}
	key, beats := "freshet:"+namespace+":heartbeat", 0
	keys := []string{key}
	if _, cluster := client.(*goredis.ClusterClient); cluster {
		keys = nil
		for n := range heartbeatsOfACluster {
			keys = append(keys, fmt.Sprintf("%s:{%d}", key, n))
		}
	}
	for _, key := range keys {
		beat, err := client.Get(ctx, key).Result()
		switch {
		case errors.Is(err, goredis.Nil):
		case err != nil || strings.HasSuffix(beat, "rewriting"):
			return false
		default:
			beats++
		}
	}
	return beats > 0
}

// heartbeatsOfACluster is how many keys are looked at for those of its masters:
// a cluster of a few has them among the first.
const heartbeatsOfACluster = 16
