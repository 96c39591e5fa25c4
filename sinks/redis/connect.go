package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/freshet-dev/freshet/sinks/mask"
)

// The bounds of one exchange with the server. Redis wait is below the time of
// a transaction, which is below that of a session (design.md 6).
const (
	defaultDialTimeout = 2 * time.Second
	defaultWait        = 2 * time.Second
)

// Options say which server, as whom and for which namespace.
type Options struct {
	// URL is redis://host:port/db, or rediss:// for TLS.
	URL       string
	Namespace string
	// Tokens make the keys of personal entities. Personal says that the spec has
	// such: then the store is held against the fingerprint of their secret.
	Tokens   *mask.Tokens
	Personal bool

	// User and Password are of an ACL user; empty: the URL's, or none.
	User, Password string

	// The files of TLS, in PEM, with rediss:// only. CA is who signs the
	// server's certificate (empty: the system's), Cert and Key are our own.
	CA, Cert, Key string
	ServerName    string // empty: the host of the URL

	DialTimeout time.Duration // 0: 2 s
	Wait        time.Duration // for one answer; 0: 2 s
}

// connect makes a client. It does not dial: the first command does.
func connect(o Options) (*goredis.Client, error) {
	if o.Namespace == "" || o.Tokens == nil {
		return nil, errors.New("redis: a namespace and its tokens are needed")
	}
	options, err := goredis.ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("online store address: %w (want redis://host:port/db, or rediss:// for TLS)", withoutURL(err))
	}
	if o.User != "" {
		options.Username = o.User
	}
	if o.Password != "" {
		options.Password = o.Password
	}
	options.DialTimeout = orDefault(o.DialTimeout, defaultDialTimeout)
	options.ReadTimeout = orDefault(o.Wait, defaultWait)
	options.WriteTimeout = options.ReadTimeout
	options.ContextTimeoutEnabled = true
	// The caller retries, and shows it: a client that does so too hides a
	// store that is down, and multiplies the wait.
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.PoolSize = 4
	// RESP2 without extras: nothing of a newer server is used, and a user
	// with the few commands of the layout is allowed all of it.
	options.Protocol = 2
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if err := addTLS(options, o); err != nil {
		return nil, err
	}
	// The client would tell of failed dials on stderr; they are returned too.
	goredis.SetLogger(silence{})
	return goredis.NewClient(options), nil
}

// silence is a log that nobody reads.
type silence struct{}

// Printf drops the line.
func (silence) Printf(context.Context, string, ...any) {}

func addTLS(options *goredis.Options, o Options) error {
	if options.TLSConfig == nil {
		if o.CA != "" || o.Cert != "" || o.Key != "" || o.ServerName != "" {
			return errors.New("online store: certificates are set, but the address begins with redis://: for TLS write rediss://")
		}
		return nil
	}
	options.TLSConfig.MinVersion = tls.VersionTLS12
	if o.ServerName != "" {
		options.TLSConfig.ServerName = o.ServerName
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return fmt.Errorf("read the online store's CA: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read the online store's CA %s: it holds no certificate in PEM", o.CA)
		}
		options.TLSConfig.RootCAs = pool
	}
	if (o.Cert == "") != (o.Key == "") {
		return errors.New("online store: a client certificate needs both its certificate and its key")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return fmt.Errorf("read the online store's client certificate: %w", err)
		}
		options.TLSConfig.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// withoutURL takes the address out of an error: it may hold a password.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Check asks the server whether it answers and whether it may lose rows on its
// own; warnings are for the log. A server that tells nothing about itself
// (ACL) is not warned about.
func (s *Store) Check(ctx context.Context) (warnings []string, err error) {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return nil, s.failed("ping", err)
	}
	if err := s.checkSecret(ctx); err != nil {
		return nil, err
	}
	memory, err := s.client.Info(ctx, "memory").Result()
	if err != nil {
		return nil, nil // a hint that cannot be had is no failure
	}
	return evictionWarnings(memory, s.address), nil
}

// evictionWarnings reads the answer to INFO memory.
func evictionWarnings(memory, address string) []string {
	for line := range strings.Lines(memory) {
		policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:")
		if ok && policy != "noeviction" {
			return []string{fmt.Sprintf("redis at %s may evict rows when its memory is full (maxmemory-policy %s): "+
				"readers would take entities for unknown; set it to noeviction", address, policy)}
		}
	}
	return nil
}
