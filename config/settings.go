// Package config holds the settings of a run: where the brokers and the store
// are, who may speak to them, where logs go. They come from a file, from
// FRESHET_* variables and from flags, the later over the earlier. It knows
// nothing of feature specs (config/spec), whose words viper would lower-case.
package config

import "time"

// Settings are all runtime settings of the process. The table in keys.go
// names each one, reference.yaml explains it, and a test binds the three.
type Settings struct {
	Specs       []string // files and folders, where the command line names none
	Namespace   string   // the one to run, where the specs hold several
	Kafka       Kafka
	OnlineStore string // redis://..., rediss://... or none
	// OnlineStoreWait is how long the store may take no rows before the stream
	// goes on without it.
	OnlineStoreWait time.Duration
	Redis           Redis
	StateDir        string
	Checkpoint      Checkpoint
	Delivery        string        // exactly_once or at_least_once
	CommitInterval  time.Duration // longest time that a batch stays open
	// EntityKeySecret keys the tokens of pii entities. Losing or changing it
	// makes every stored row unreachable.
	EntityKeySecret Secret
	// MemoryLimit is what the process may take; 0: what its container may.
	MemoryLimit Bytes
	Engine      Engine
	Listen      string // host:port of metrics and health; "" or none: not at all
	// WatchdogAfter is how long nothing may be committed, although records wait
	// and nothing says why, before the process ends with 70.
	WatchdogAfter time.Duration
	Log           Log

	file    string            // "" is none
	origins map[string]string // key -> where its value came from
}

// Checkpoint says how the state is kept in StateDir.
type Checkpoint struct {
	Interval time.Duration // of a cycle: what a start reads again at most
	Keep     int           // how many stay
	Copy     string        // a bucket's URL; "" copies nothing
}

// Engine bounds what is held in memory.
type Engine struct {
	MaxKeys int // entities known at once, of each entity over each source; 0: no bound
}

// Kafka says how to reach the brokers.
type Kafka struct {
	Brokers     []string
	Group       string // default: freshet-<namespace>
	InstanceID  string // static membership; only where the name is stable
	AcceptGap   bool   // go on where records were removed before they were read
	AllowTV1    bool   // exactly once below transaction.version 2 too
	Compression string // none, lz4, snappy, zstd, gzip: of what run produces
	TLS         TLS
	SASL        SASL
}

// TLS is one client's view of a TLS connection. Files are PEM.
type TLS struct {
	Enabled    bool
	CAFile     string // "" is the system's roots
	CertFile   string // client certificate, with KeyFile
	KeyFile    string
	ServerName string // "" is the host that is dialled
}

// SASL says how the client proves who it is.
type SASL struct {
	Mechanism       string // "", plain, scram-sha-256, scram-sha-512, oauthbearer, aws_msk_iam
	Username        string
	Password        Secret
	Token           Secret // of oauthbearer
	TokenURL        string // of oauthbearer, instead of a token
	ClientID        string // of TokenURL, with ClientSecret and Scope
	ClientSecret    Secret
	Scope           string
	AccessKeyID     string // of aws_msk_iam; "" takes AWS_* variables
	SecretAccessKey Secret
	SessionToken    Secret
}

// RedisCluster is the Redis.Mode of a Redis Cluster.
const RedisCluster = "cluster"

// Redis says of what kind the online store is, and who the client is to it where
// the URL does not.
type Redis struct {
	Mode          string // single or RedisCluster
	AllowEviction bool   // a server that may evict rows is accepted

	Username string // an ACL user; "" takes the URL's
	Password Secret
	TLS      TLS // of rediss://
}

// Log says how much is logged, and in which form.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // auto (text on a terminal, else json), text, json
}
