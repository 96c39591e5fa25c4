package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// unended looks whether the brokers still have something open of a producer id whose
// transactions are all over, as its coordinator has just said. A broker that is killed
// may lose an end; the next commit under the id would then commit what that
// transaction holds, which was sent again since: doubled records, and nobody would
// know. Who may not look (Read on the topics) and who cannot (an old cluster) goes on
// without, and says so once.
func (s *Session) unended(ctx context.Context, id int64) error {
	if len(s.topics) == 0 {
		return nil
	}
	asked := kadm.TopicsSet{}
	for _, topic := range s.topics {
		asked.Add(topic)
	}
	found, err := s.log.admin.DescribeProducers(ctx, asked)
	var denied *kadm.AuthError
	switch {
	case errors.As(err, &denied), errors.Is(err, kerr.UnsupportedVersion):
		if !s.blind && s.config.Log != nil {
			s.config.Log.Warn("the outputs cannot be looked through for transactions whose end a killed broker has lost: give this user Read on the output topics",
				"component", "sink", "topics", s.topics, "err", err.Error(), "err_kind", "kafka")
		}
		s.blind = true
		return nil
	case err != nil:
		return fmt.Errorf("look for transactions without an end: %w", err)
	}
	found.EachProducer(func(p kadm.DescribedProducer) {
		if p.ProducerID == id && p.CurrentTxnStartOffset >= 0 && err == nil {
			err = fmt.Errorf("topic %s, partition %d holds a transaction of transactional id %s, from offset %d on, and the broker has lost its end: the next commit would commit it too; "+
				"end it with kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition %d --start-offset %d",
				p.Topic, p.Partition, s.config.TransactionalID, p.CurrentTxnStartOffset, s.config.Client.Where(), p.Topic, p.Partition, p.CurrentTxnStartOffset)
		}
	})
	return err
}
