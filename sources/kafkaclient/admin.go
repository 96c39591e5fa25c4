package kafkaclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Connect makes a client and connects it once, to see that the address and the
// credentials are right. The caller closes it.
func Connect(ctx context.Context, c Config, more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("set up the Kafka client: %w", err)
	}
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, c.Explain(err)
	}
	return client, nil
}

// Admin is Connect for questions about topics and groups.
func Admin(ctx context.Context, c Config) (*kadm.Client, error) {
	client, err := Connect(ctx, c)
	if err != nil {
		return nil, err
	}
	return kadm.NewClient(client), nil
}

// Metadata asks for topics. One that this user may not describe has that as its
// error: asked for beside others it would hide them all.
func Metadata(ctx context.Context, admin *kadm.Client, topics ...string) (kadm.Metadata, error) {
	found, err := admin.Metadata(ctx, topics...)
	var denied *kadm.AuthError
	if !errors.As(err, &denied) {
		return found, err
	}
	all := kadm.TopicDetails{}
	for _, name := range topics {
		one, err := admin.Metadata(ctx, name)
		switch {
		case errors.As(err, &denied):
			all[name] = kadm.TopicDetail{Topic: name, Err: denied.Err}
			continue
		case err != nil:
			return kadm.Metadata{}, err
		}
		found, all[name] = one, one.Topics[name]
	}
	found.Topics = all
	return found, nil
}
