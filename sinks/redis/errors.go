package redis

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/freshet-dev/freshet/sinks"
)

// failed says where an error happened, and whether trying again can help.
func (s *Store) failed(doing string, err error) error {
	return classify(fmt.Errorf("%s in redis at %s: %w", doing, s.address, err), s.cluster != nil)
}

// classify makes those errors Fatal that no waiting heals: refused credentials
// and permissions, a key of another type, a command that the server does not
// know, a certificate that does not hold, a cluster where none is expected.
// Everything else may pass: time-outs, lost connections, LOADING, READONLY,
// MASTERDOWN, OOM, MISCONF, NOREPLICAS, BUSY, too many clients, and of a cluster
// CLUSTERDOWN, TRYAGAIN, and slots that are elsewhere.
func classify(err error, cluster bool) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &sinks.Fatal{Err: err}
	}
	var reply goredis.Error
	if !errors.As(err, &reply) || errors.Is(err, goredis.Nil) {
		return err
	}
	if goredis.IsAuthError(err) {
		return &sinks.Fatal{Err: fmt.Errorf("%w (check the online store's user and password)", err), Unauthorised: true}
	}
	text := reply.Error()
	switch word, _, _ := strings.Cut(text, " "); word {
	case "MOVED", "CROSSSLOT":
		if !cluster {
			return &sinks.Fatal{Err: fmt.Errorf("%w (the online store is a Redis Cluster: set redis.mode to cluster)", err)}
		}
	case "READONLY":
		return fmt.Errorf("%w (a replica: the online store's address must lead to the master)", err)
	case "OOM":
		return fmt.Errorf("%w (its maxmemory is full: give it more, rows are not evicted)", err)
	case "NOPERM":
		return &sinks.Fatal{Err: fmt.Errorf("%w (the user's ACL must allow it on the keys freshet:*)", err), Unauthorised: true}
	case "WRONGTYPE":
		return &sinks.Fatal{Err: fmt.Errorf("%w (another program uses this key: give it another database, or this run another namespace)", err)}
	case "ERR":
		if strings.Contains(text, "max number of clients") || passesInScript(text) {
			return err
		}
		return &sinks.Fatal{Err: err}
	}
	return err
}

// demoted reports whether the server at the other end is no master (any more):
// its connection is of no use, a new one may lead elsewhere.
func demoted(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.HasPrefix(text, "READONLY") || strings.HasPrefix(text, "MASTERDOWN")
}

// passesInScript reports whether a script (before Redis 7) met with what may pass.
func passesInScript(text string) bool {
	for _, passing := range []string{"OOM command not allowed", "READONLY You can't write", "MISCONF Redis is configured", "NOREPLICAS Not enough"} {
		if strings.Contains(text, passing) {
			return true
		}
	}
	return false
}
