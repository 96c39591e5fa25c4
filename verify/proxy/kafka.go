package proxy

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Rule is what happens to some requests of a Kafka's clients.
type Rule struct {
	Key   kmsg.Key // of the requests
	Times int      // how many of them; the others pass
	Do    Action
	Err   int16 // of Falsify
	// Match chooses among requests of the key; nil takes all. It is called with
	// the request's bytes behind its header's correlation id.
	Match func(version int16, rest []byte) bool

	mu      sync.Mutex
	struck  int
	release chan struct{}
}

// Action is what a rule does.
type Action int

const (
	// Drop resets the connection instead of passing the request on: it was not
	// done.
	Drop Action = iota
	// Refuse answers with Err instead of passing the request on: it was not
	// done. Of requests that only read, the answer is falsified.
	Refuse
	// DropAnswer passes the request on and resets the connection instead of
	// answering: it was done, and nobody knows.
	DropAnswer
	// Falsify passes the request on and puts Err into every part of its answer:
	// it was done, and the client is told otherwise.
	Falsify
	// Hold keeps the request, and whatever comes behind it on the connection,
	// until Release: then it gets there, even when its client is long gone.
	Hold
)

// asked is a request whose answer is awaited: a server answers in order.
type asked struct {
	id           int32
	key, version int16
	rule         *Rule
	ready        []byte // the answer, where it does not come from the server
}

// Add puts a rule into force. The first that fits decides.
func (p *Proxy) Add(r *Rule) *Rule {
	r.release = make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
	return r
}

// Release ends all rules; what they hold goes its way.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		close(r.release)
	}
	p.rules = nil
}

// Struck is how many requests the rule was applied to.
func (r *Rule) Struck() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.struck
}

// takes reports whether the rule is for this request.
func (r *Rule) takes(key, version int16, rest []byte) bool {
	if int16(r.Key) != key || r.Match != nil && !r.Match(version, rest) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.struck >= r.Times {
		return false
	}
	r.struck++
	return true
}

// ruleFor finds the rule of a request.
func (p *Proxy) ruleFor(key, version int16, rest []byte) *Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		if r.takes(key, version, rest) {
			return r
		}
	}
	return nil
}

// largestFrame is more than any test sends; a length beyond it is no Kafka.
const largestFrame = 128 << 20

// frame reads one request or answer, its length in front.
func frame(from io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 4 || n > largestFrame {
		return nil, errors.New("no frame of Kafka")
	}
	all := make([]byte, 4+n)
	copy(all, head)
	_, err := io.ReadFull(from, all[4:])
	return all, err
}

// requests passes what a client asks.
func (p *Proxy) requests(l *link) {
	for {
		f, err := frame(l.client)
		if err != nil || len(f) < 12 {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(f[4:])), int16(binary.BigEndian.Uint16(f[6:]))
		id := int32(binary.BigEndian.Uint32(f[8:]))
		rule := p.ruleFor(key, version, f[12:])
		if rule != nil && rule.Do == Drop {
			l.cut()
			return
		}
		to := asked{id: id, key: key, version: version, rule: rule}
		if rule != nil && rule.Do == Refuse {
			to.ready = refusal(f, to)
		}
		l.mu.Lock()
		l.asked = append(l.asked, to)
		err = l.flush()
		l.mu.Unlock()
		if err != nil {
			return
		}
		if to.ready != nil {
			continue
		}
		if rule != nil && rule.Do == Hold {
			<-rule.release
		}
		if p.lost(true) {
			continue
		}
		if _, err := l.server.Write(f); err != nil {
			return
		}
	}
}

// flush says the answers that are ready, up to the first that is awaited.
func (l *link) flush() error {
	for len(l.asked) > 0 && l.asked[0].ready != nil {
		if _, err := l.client.Write(l.asked[0].ready); err != nil {
			return err
		}
		l.asked = l.asked[1:]
	}
	return nil
}

// answers passes what the server answers.
func (p *Proxy) answers(l *link) {
	for {
		f, err := frame(l.server)
		if err != nil || len(f) < 8 {
			return
		}
		id := int32(binary.BigEndian.Uint32(f[4:]))
		l.mu.Lock()
		known := len(l.asked) > 0 && l.asked[0].id == id
		var to asked
		if known {
			to = l.asked[0]
		}
		l.mu.Unlock()
		if !known || to.rule != nil && to.rule.Do == DropAnswer {
			l.cut()
			return
		}
		f = p.rewrite(f, to)
		lost := p.lost(false)
		l.mu.Lock()
		l.asked = l.asked[1:]
		if !lost {
			_, err = l.client.Write(f)
		}
		if err == nil {
			err = l.flush()
		}
		l.mu.Unlock()
		if err != nil && to.rule == nil { // of a request that was held, nobody may be left to hear it
			return
		}
	}
}

// rewrite puts this address in the place of the broker's, and an error where a
// rule wants one.
func (p *Proxy) rewrite(f []byte, to asked) []byte {
	falsify := to.rule != nil && (to.rule.Do == Falsify || to.rule.Do == Refuse)
	switch kmsg.Key(to.key) {
	case kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeCluster:
	default:
		if !falsify {
			return f
		}
	}
	answer := kmsg.ResponseForKey(to.key)
	answer.SetVersion(to.version)
	head := headOf(answer)
	if answer.ReadFrom(f[head:]) != nil {
		return f
	}
	p.redirect(answer)
	if falsify {
		setErrors(reflect.ValueOf(answer).Elem(), to.rule.Err)
	}
	return framed(answer, to.id)
}

// headOf is the length of what stands before an answer: length, correlation id
// and, of newer versions, an empty tag section.
func headOf(answer kmsg.Response) int {
	if answer.IsFlexible() && kmsg.Key(answer.Key()) != kmsg.ApiVersions {
		return 9
	}
	return 8
}

// framed is an answer as it goes over the wire.
func framed(answer kmsg.Response, id int32) []byte {
	out := make([]byte, headOf(answer))
	binary.BigEndian.PutUint32(out[4:], uint32(id))
	out = answer.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// refusal is the answer to a request that is not passed on; nil: it is passed on,
// since it changes nothing, and its answer falsified.
func refusal(f []byte, to asked) []byte {
	request := kmsg.RequestForKey(to.key)
	request.SetVersion(to.version)
	body := 12 + 2
	if n := int16(binary.BigEndian.Uint16(f[12:])); n > 0 { // the client id
		body += int(n)
	}
	if request.IsFlexible() {
		body++ // an empty tag section
	}
	if request.ReadFrom(f[body:]) != nil {
		return nil
	}
	answer := request.ResponseKind()
	answer.SetVersion(to.version)
	switch q := request.(type) {
	case *kmsg.ProduceRequest:
		a := answer.(*kmsg.ProduceResponse)
		for _, t := range q.Topics {
			at := kmsg.NewProduceResponseTopic()
			at.Topic, at.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				ap := kmsg.NewProduceResponseTopicPartition()
				ap.Partition, ap.BaseOffset = p.Partition, -1
				at.Partitions = append(at.Partitions, ap)
			}
			a.Topics = append(a.Topics, at)
		}
	case *kmsg.TxnOffsetCommitRequest:
		a := answer.(*kmsg.TxnOffsetCommitResponse)
		for _, t := range q.Topics {
			at := kmsg.NewTxnOffsetCommitResponseTopic()
			at.Topic, at.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				ap := kmsg.NewTxnOffsetCommitResponseTopicPartition()
				ap.Partition = p.Partition
				at.Partitions = append(at.Partitions, ap)
			}
			a.Topics = append(a.Topics, at)
		}
	case *kmsg.JoinGroupRequest, *kmsg.SyncGroupRequest, *kmsg.HeartbeatRequest, *kmsg.InitProducerIDRequest, *kmsg.EndTxnRequest:
	default:
		return nil
	}
	setErrors(reflect.ValueOf(answer).Elem(), to.rule.Err)
	return framed(answer, to.id)
}

// redirect makes clients come here.
func (p *Proxy) redirect(answer kmsg.Response) {
	host, text, _ := net.SplitHostPort(p.Addr())
	number, _ := strconv.ParseInt(text, 10, 32)
	port := int32(number)
	switch a := answer.(type) {
	case *kmsg.MetadataResponse:
		for i := range a.Brokers {
			a.Brokers[i].Host, a.Brokers[i].Port = host, port
		}
	case *kmsg.FindCoordinatorResponse:
		if a.Host != "" {
			a.Host, a.Port = host, port
		}
		for i := range a.Coordinators {
			if a.Coordinators[i].Host != "" {
				a.Coordinators[i].Host, a.Coordinators[i].Port = host, port
			}
		}
	case *kmsg.DescribeClusterResponse:
		for i := range a.Brokers {
			a.Brokers[i].Host, a.Brokers[i].Port = host, port
		}
	}
}

// setErrors puts a code into every part of an answer that can carry one.
func setErrors(v reflect.Value, code int16) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "ErrorCode" && v.Field(i).Kind() == reflect.Int16 {
				v.Field(i).SetInt(int64(code))
				continue
			}
			if v.Type().Field(i).IsExported() {
				setErrors(v.Field(i), code)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			setErrors(v.Index(i), code)
		}
	}
}
