package redisfault

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of our own processes.
type Cluster struct {
	Masters  []*Server // that hold the slots at first, in equal parts
	Replicas []*Server // Replicas[i] follows Masters[i]; empty: none
	Client   *goredis.ClusterClient

	dir string
}

// clusterWithin is how long a cluster may take until every node says it is well.
const clusterWithin = 30 * time.Second

// StartCluster starts a cluster and waits until it is well; args are more of
// every server's own.
func StartCluster(ctx context.Context, masters int, replicas bool, args ...string) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "freshet-cluster")
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir}
	n := masters
	if replicas {
		n *= 2
	}
	var addrs []string
	for i := range n {
		s, err := c.start(ctx, i, args)
		if err != nil {
			c.Close()
			return nil, err
		}
		addrs = append(addrs, s.Addr)
		if i < masters {
			c.Masters = append(c.Masters, s)
		} else {
			c.Replicas = append(c.Replicas, s)
		}
	}
	c.Client = goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addrs, Protocol: 2, DisableIdentity: true, ClusterStateReloadInterval: time.Second})
	if err := c.form(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, i int, args []string) (*Server, error) {
	bus, err := FreePort()
	if err != nil {
		return nil, err
	}
	return Start(ctx, append([]string{"--cluster-enabled", "yes", "--cluster-config-file", filepath.Join(c.dir, fmt.Sprintf("nodes-%d.conf", i)),
		"--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"}, args...)...)
}

const slots = 16384

// form gives out the slots and lets the nodes meet.
func (c *Cluster) form(ctx context.Context) error {
	all := append(append([]*Server(nil), c.Masters...), c.Replicas...)
	for i, s := range all {
		if err := s.Client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return fmt.Errorf("set-config-epoch: %w", err)
		}
		if i < len(c.Masters) {
			from, to := i*slots/len(c.Masters), (i+1)*slots/len(c.Masters)-1
			if err := s.Client.Do(ctx, "cluster", "addslotsrange", from, to).Err(); err != nil {
				return fmt.Errorf("addslotsrange: %w", err)
			}
		}
		if i == 0 {
			continue
		}
		host, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			return err
		}
		if err := all[0].Client.Do(ctx, "cluster", "meet", host, port, s.busPort()).Err(); err != nil {
			return fmt.Errorf("meet: %w", err)
		}
	}
	for i, s := range c.Replicas {
		id, err := c.Masters[i].Client.Do(ctx, "cluster", "myid").Text()
		if err != nil {
			return err
		}
		if err := s.until(ctx, clusterWithin, "follows its master", func(ctx context.Context) bool {
			return s.Client.ClusterReplicate(ctx, id).Err() == nil
		}); err != nil {
			return err
		}
	}
	for i, s := range all {
		replica := i >= len(c.Masters)
		if err := s.until(ctx, clusterWithin, "calls the cluster well", func(ctx context.Context) bool {
			info, err := s.Client.ClusterInfo(ctx).Result()
			ok := err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(all))) &&
				strings.Contains(info, fmt.Sprintf("cluster_slots_assigned:%d", slots)) // it is "ok" with the slots that it has heard of
			if ok && replica {
				replication, err := s.Client.Info(ctx, "replication").Result()
				ok = err == nil && strings.Contains(replication, "master_link_status:up")
			}
			return ok
		}); err != nil {
			return err
		}
	}
	c.Client.ReloadState(ctx)
	return nil
}

// Move moves a slot with all its keys to another master, as a resharding does;
// within is called while the slot is on its way (nil: nothing).
func (c *Cluster) Move(ctx context.Context, slot int, from, to *Server, within func()) error {
	ids := map[*Server]string{}
	for _, s := range c.Masters {
		id, err := s.Client.Do(ctx, "cluster", "myid").Text()
		if err != nil {
			return err
		}
		ids[s] = id
	}
	if err := to.Client.Do(ctx, "cluster", "setslot", slot, "importing", ids[from]).Err(); err != nil {
		return err
	}
	if err := from.Client.Do(ctx, "cluster", "setslot", slot, "migrating", ids[to]).Err(); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(to.Addr)
	if err != nil {
		return err
	}
	for {
		keys, err := from.Client.ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", host, port, "", 0, 5000, "keys"}
		for _, key := range keys {
			args = append(args, key)
		}
		if err := from.Client.Do(ctx, args...).Err(); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if within != nil {
			within()
			within = nil
		}
	}
	for _, s := range []*Server{to, from} {
		if err := s.Client.Do(ctx, "cluster", "setslot", slot, "node", ids[to]).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all servers.
func (c *Cluster) Close() {
	if c.Client != nil {
		_ = c.Client.Close()
	}
	for _, s := range append(c.Masters, c.Replicas...) {
		s.Close()
	}
	_ = os.RemoveAll(c.dir) // in the system's temporary folder
}

func (s *Server) busPort() string {
	for i, arg := range s.args {
		if arg == "--cluster-port" {
			return s.args[i+1]
		}
	}
	return ""
}
