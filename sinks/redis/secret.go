package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet-dev/freshet/sinks"
)

// ErrOtherSecret is in the error for a store whose tokens were made under
// another entity_key_secret than ours: no key that we ask for would be found,
// and rows of both would lie side by side.
var ErrOtherSecret = errors.New("entity_key_secret is not the one under which the rows were written")

// checkSecret holds our secret against that of the rows. A store without a
// fingerprint has none of them, or is older than the fingerprint.
func (s *Store) checkSecret(ctx context.Context) error {
	if !s.personal {
		return nil
	}
	theirs, err := fieldOf(ctx, s.client, s.keys.meta(), metaSecret)
	if err != nil {
		return s.failed("read "+s.keys.meta(), err)
	}
	return otherSecret(s.keys, s.address, theirs)
}

// CheckSecret is an error where our secret cannot find the rows of personal
// entities.
func (r *Reader) CheckSecret(ctx context.Context) error {
	answer, err := r.client.HMGet(ctx, r.keys.meta(), metaSecret).Result() // a reader may not HGET
	if err != nil {
		return r.failed("read "+r.keys.meta(), err)
	}
	theirs, _ := answer[0].(string)
	return otherSecret(r.keys, r.address, theirs)
}

func otherSecret(k keys, address, theirs string) error {
	ours := k.tokens.Fingerprint()
	if theirs == "" || theirs == ours {
		return nil
	}
	return &sinks.Fatal{Err: fmt.Errorf("%s in redis at %s: %w (fingerprint %s, ours is %s)", k.meta(), address, ErrOtherSecret, theirs, ours)}
}
