// Package bucket copies checkpoints to an object store, and fetches them from
// there: another machine can go on where this one stopped. It speaks to what
// gocloud.dev calls a bucket: a folder (file:///DIR) or S3 and what behaves like
// it (s3://BUCKET). A bucket, or its prefix, belongs to one run.
//
// Files go first and the manifest last, so a manifest that can be read names
// files that are there. An object is sent to S3 with its checksum, which the store
// compares, and everything is verified again when it is fetched.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file://
	_ "gocloud.dev/blob/s3blob"   // s3://
	"gocloud.dev/gcerrors"

	"github.com/freshet-dev/freshet/pipeline/checkpoint"
)

// Bucket is where checkpoints are copied to.
type Bucket struct {
	bucket *blob.Bucket
	keep   int
	pause  time.Duration // before the second try
}

// tries is how often one object is asked for or sent, beside what the object
// store's own client does; between two tries the pause doubles.
const (
	tries      = 3
	firstPause = 500 * time.Millisecond
)

// Open opens file:///DIR or s3://BUCKET?prefix=A/PATH/&region=R. keep is how
// many checkpoints stay there. Nothing is asked yet.
func Open(ctx context.Context, text string, keep int) (*Bucket, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("checkpoint.copy: %w", err)
	}
	switch u.Scheme {
	case "s3":
	case "file": // no files beside those that are copied, and the folder is made
		q := u.Query()
		q.Set("create_dir", "true")
		q.Set("no_tmp_dir", "true")
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	default:
		return nil, fmt.Errorf("checkpoint.copy: %q is neither file:///DIR nor s3://BUCKET", text)
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("checkpoint.copy: %w", err)
	}
	return &Bucket{bucket: b, keep: keep, pause: firstPause}, nil
}

// Close closes the bucket.
func (b *Bucket) Close() error { return b.bucket.Close() }

// Copy copies a checkpoint and lets go of those that are too old.
func (b *Bucket) Copy(ctx context.Context, s *checkpoint.Store, m *checkpoint.Manifest) error {
	err := s.Export(m, func(name string, open func() (io.ReadCloser, error)) error { return b.put(ctx, name, open) })
	if err != nil {
		return err
	}
	names, err := b.list(ctx)
	if err != nil {
		return err
	}
	for _, name := range checkpoint.Superfluous(names, b.keep) {
		if err := b.bucket.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("remove %s from the copies: %w", name, err)
		}
	}
	return nil
}

// Fetch puts the newest copy that is whole into the store, if it is newer than the
// manifest of that name ("": whatever it is). A copy that does not fit is an error,
// no copy is none.
func (b *Bucket) Fetch(ctx context.Context, s *checkpoint.Store, than string, fits func(*checkpoint.Manifest) error) error {
	names, err := b.list(ctx)
	if err != nil {
		return err
	}
	var damage []error
	for _, manifest := range checkpoint.Newer(names, than) {
		err := s.Import(manifest, fits, func(name string, keep func(io.Reader) error) error { return b.get(ctx, name, keep) })
		var damaged *checkpoint.Damaged
		if err == nil || !errors.As(err, &damaged) {
			return err
		}
		damage = append(damage, err)
	}
	return errors.Join(damage...)
}

// put sends a file as it is read. One of more than 16 MiB goes to S3 in parts, one
// after the other, so that few of them lie in memory.
func (b *Bucket) put(ctx context.Context, name string, open func() (io.ReadCloser, error)) error {
	return b.again(ctx, "copy "+name, func() error {
		r, err := open()
		if err != nil {
			return err
		}
		err = b.bucket.Upload(ctx, name, r, &blob.WriterOptions{ContentType: "application/octet-stream", MaxConcurrency: 1, DisableContentTypeDetection: true})
		return errors.Join(err, r.Close())
	})
}

// get hands over an object; where there is none it is damaged, since its manifest
// names it.
func (b *Bucket) get(ctx context.Context, name string, keep func(io.Reader) error) error {
	err := b.again(ctx, "fetch "+name, func() error {
		r, err := b.bucket.NewReader(ctx, name, nil)
		if err != nil {
			return err
		}
		err = keep(r)
		return errors.Join(err, r.Close())
	})
	if gcerrors.Code(errors.Unwrap(err)) == gcerrors.NotFound {
		return &checkpoint.Damaged{Name: name, Why: "its copy is not there"}
	}
	return err
}

func (b *Bucket) list(ctx context.Context) (names []string, err error) {
	err = b.again(ctx, "list the copies", func() error {
		names = names[:0]
		it := b.bucket.List(nil)
		for {
			o, err := it.Next(ctx)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			names = append(names, o.Key)
		}
	})
	return slices.Clip(names), err
}

// again tries until it succeeds, or there is no sense in trying.
func (b *Bucket) again(ctx context.Context, what string, do func() error) error {
	pause := b.pause
	for n := 1; ; n++ {
		err := do()
		switch code := gcerrors.Code(err); {
		case err == nil:
			return nil
		case n == tries || ctx.Err() != nil || code == gcerrors.NotFound || code == gcerrors.PermissionDenied:
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause *= 2
	}
}
