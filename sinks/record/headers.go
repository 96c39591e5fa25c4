package record

import "github.com/freshet-dev/freshet/sinks"

// The names of the headers of an enriched record.
const (
	HeaderTrace       = "traceparent"
	HeaderContentType = "content-type"
	HeaderSpec        = "freshet-spec"
	HeaderBand        = "freshet-band"
	HeaderOnline      = "freshet-online"
)

// OnlineBehind is HeaderOnline's value on a record that left while the online
// store was away: rows may be older than the record. It is absent otherwise.
const OnlineBehind = "behind"

// ContentType is the content-type of enriched records and dead letters.
const ContentType = "application/json"

// Headers makes the headers of enriched records: those of one spec, shared by
// all records with the same band and no trace.
type Headers struct {
	plain map[string][]sinks.Header // by band
	spec  []byte
}

// NewHeaders makes headers that name specRef.
func NewHeaders(specRef string) *Headers {
	return &Headers{plain: map[string][]sinks.Header{}, spec: []byte(specRef)}
}

// Of gives the headers of a record: traceparent passed through where the input
// had a valid one, the band where a model gave one. The result is shared and
// must not be changed.
func (h *Headers) Of(band string, traceparent []byte) []sinks.Header {
	plain, ok := h.plain[band]
	if !ok {
		plain = []sinks.Header{
			{Key: HeaderContentType, Value: []byte(ContentType)},
			{Key: HeaderSpec, Value: h.spec},
		}
		if band != "" {
			plain = append(plain, sinks.Header{Key: HeaderBand, Value: []byte(band)})
		}
		h.plain[band] = plain // bounded: bands are a list in the spec
	}
	if traceparent == nil {
		return plain
	}
	with := make([]sinks.Header, 0, len(plain)+1)
	with = append(with, sinks.Header{Key: HeaderTrace, Value: traceparent})
	return append(with, plain...)
}

// TraceID is the trace of a W3C traceparent (00-<32 hex>-<16 hex>-<2 hex>), ""
// if it is not one: whatever else stands in that header does not leave.
func TraceID(traceparent []byte) string {
	const length = 55
	if len(traceparent) != length || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-' {
		return ""
	}
	for i, c := range traceparent {
		if i == 2 || i == 35 || i == 52 {
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	return string(traceparent[3:35])
}
