package redis

import (
	"cmp"
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

	// Cluster says that the server is a node of a Redis Cluster: the others are
	// asked of it. More of them to ask at first: ?addr=host:port in the URL.
	Cluster bool
	// AllowEviction accepts a server that may evict rows when its memory is full.
	AllowEviction bool

	DialTimeout time.Duration // 0: 2 s
	Wait        time.Duration // for one answer; 0: 2 s
}

// connect makes a client. It does not dial: the first command does.
func connect(o Options) (goredis.UniversalClient, error) {
	if o.Namespace == "" || o.Tokens == nil {
		return nil, errors.New("redis: a namespace and its tokens are needed")
	}
	// The client would tell of failed dials on stderr; they are returned too.
	goredis.SetLogger(silence{})
	if o.Cluster {
		return connectCluster(o)
	}
	options, err := goredis.ParseURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("online store address: %w (want redis://host:port/db, or rediss:// for TLS)", withoutURL(err))
	}
	options.Username, options.Password = cmp.Or(o.User, options.Username), cmp.Or(o.Password, options.Password)
	options.DialTimeout = cmp.Or(o.DialTimeout, defaultDialTimeout)
	options.ReadTimeout = cmp.Or(o.Wait, defaultWait)
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
	if options.TLSConfig, err = withTLS(options.TLSConfig, o); err != nil {
		return nil, err
	}
	return goredis.NewClient(options), nil
}

// connectCluster is connect for a cluster. The nodes are asked for the slots
// every second: by default a client notices a failover after a minute.
func connectCluster(o Options) (goredis.UniversalClient, error) {
	options, err := goredis.ParseClusterURL(o.URL)
	if err != nil {
		return nil, fmt.Errorf("online store address: %w (want redis://host:port?addr=host2:port2, or rediss:// for TLS)", withoutURL(err))
	}
	options.Username, options.Password = cmp.Or(o.User, options.Username), cmp.Or(o.Password, options.Password)
	options.DialTimeout = cmp.Or(o.DialTimeout, defaultDialTimeout)
	options.ReadTimeout = cmp.Or(o.Wait, defaultWait)
	options.WriteTimeout = options.ReadTimeout
	options.ContextTimeoutEnabled = true
	options.ClusterStateReloadInterval = time.Second
	options.DialerRetries = 1
	options.MaxRetries = -1
	options.PoolSize = 4
	options.Protocol = 2
	options.DisableIdentity = true
	options.DisableRoutingPolicies = true // they ask COMMAND of the server
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if options.TLSConfig, err = withTLS(options.TLSConfig, o); err != nil {
		return nil, err
	}
	return goredis.NewClusterClient(options), nil
}

// addressOf is for errors.
func addressOf(client goredis.UniversalClient) string {
	switch client := client.(type) {
	case *goredis.Client:
		return client.Options().Addr
	case *goredis.ClusterClient:
		return strings.Join(client.Options().Addrs, ",")
	}
	return ""
}

// silence is a log that nobody reads.
type silence struct{}

// Printf drops the line.
func (silence) Printf(context.Context, string, ...any) {}

// withTLS completes what the URL said of TLS; nil: nothing.
func withTLS(c *tls.Config, o Options) (*tls.Config, error) {
	if c == nil {
		if o.CA != "" || o.Cert != "" || o.Key != "" || o.ServerName != "" {
			return nil, errors.New("online store: certificates are set, but the address begins with redis://: for TLS write rediss://")
		}
		return nil, nil
	}
	c.MinVersion = tls.VersionTLS12
	if o.ServerName != "" {
		c.ServerName = o.ServerName
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("read the online store's CA: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the online store's CA %s: it holds no certificate in PEM", o.CA)
		}
		c.RootCAs = pool
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("online store: a client certificate needs both its certificate and its key")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("read the online store's client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// withoutURL takes the address out of an error: it may hold a password.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}
