package redis

import (
	"context"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

// Check asks the server whether it answers, whether it is of the kind that we
// were told, and whether it may lose rows on its own, which is refused unless it
// was allowed; warnings are for the log. A server that tells nothing about itself
// (ACL) passes.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return nil, s.failed("ping", err)
	}
	if err := s.checkSecret(ctx); err != nil {
		return nil, err
	}
	check := func(client goredis.Cmdable, address string) error {
		info, err := client.Info(ctx).Result()
		if err != nil {
			return nil // a hint that cannot be had is no failure
		}
		warning, err := s.checkServer(info, address)
		if warning != "" {
			warnings = append(warnings, warning)
		}
		return err
	}
	if s.cluster == nil {
		return warnings, check(s.client, s.address)
	}
	masters, err := s.cluster.nodes(ctx)
	if err != nil {
		return nil, s.failed("check", err)
	}
	for _, master := range masters {
		if err := check(master, master.Options().Addr); err != nil {
			return nil, err
		}
	}
	return warnings, nil
}

// checkServer reads the answer to INFO.
func (s *Store) checkServer(info, address string) (warning string, err error) {
	if s.cluster == nil && infoOf(info, "redis_mode") == "cluster" {
		return "", &sinks.Fatal{Err: fmt.Errorf("redis at %s is a node of a cluster: set redis.mode to cluster", address)}
	}
	policy := infoOf(info, "maxmemory_policy")
	if policy == "" || policy == "noeviction" {
		return "", nil
	}
	told := fmt.Sprintf("redis at %s may evict rows when its memory is full (maxmemory-policy %s): readers would take entities for unknown", address, policy)
	if s.allowEviction {
		return told + "; redis.allow_eviction accepts that", nil
	}
	return "", &sinks.Fatal{Err: fmt.Errorf("%s; set it to noeviction, or redis.allow_eviction to true where that is meant", told)}
}

// infoOf is one value of INFO, "" where it is absent.
func infoOf(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
