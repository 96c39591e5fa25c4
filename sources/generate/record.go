package generate

import (
	"encoding/json"
	"strconv"
	"time"
)

// payment is a record of the source payments, field by field.
type payment struct {
	ID       string      `json:"payment_id"`
	Time     timestamp   `json:"event_time"`
	Card     string      `json:"card_id"`
	User     string      `json:"user_id"`
	Device   string      `json:"device_id,omitempty"`
	IP       string      `json:"ip,omitempty"`
	Merchant string      `json:"merchant_id"`
	MCC      string      `json:"mcc"`
	Channel  string      `json:"channel"`
	Amount   json.Number `json:"amount"`
	Currency string      `json:"currency"`
	Status   string      `json:"status"`
	Country  string      `json:"country,omitempty"`
	Lat      json.Number `json:"lat,omitempty"`
	Lon      json.Number `json:"lon,omitempty"`
	Label    Kind        `json:"_label,omitempty"`
}

// activity is a record of the source activity.
type activity struct {
	ID      string    `json:"activity_id"`
	Time    timestamp `json:"event_time"`
	User    string    `json:"user_id"`
	Device  string    `json:"device_id,omitempty"`
	IP      string    `json:"ip,omitempty"`
	Kind    string    `json:"kind"`
	Country string    `json:"country,omitempty"`
	Track   string    `json:"track_id,omitempty"`
	Played  int       `json:"played_ms,omitempty"`
	Label   Kind      `json:"_label,omitempty"`
}

// timestamp is written as RFC 3339 in UTC with three digits.
type timestamp time.Time

// MarshalText implements encoding.TextMarshaler.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

// money is an amount in minor units as a JSON number.
func money(minor int64) json.Number {
	b := strconv.AppendInt(nil, minor/100, 10)
	b = append(b, '.', byte('0'+minor/10%10), byte('0'+minor%10))
	return json.Number(b)
}

// degrees is a coordinate with four digits, about ten metres.
func degrees(x float64) json.Number { return json.Number(strconv.FormatFloat(x, 'f', 4, 64)) }

// payment makes the record of p, whose id and label it fills in.
func (g *Generator) payment(p payment) Event {
	p.ID = g.id("p")
	if !g.o.Labels {
		p.Label = ""
	}
	return Event{Source: Payments, Key: []byte(p.Card), Value: encode(p)}
}

// activity makes the record of a, whose id and label it fills in.
func (g *Generator) activity(a activity) Event {
	a.ID = g.id("a")
	if !g.o.Labels {
		a.Label = ""
	}
	return Event{Source: Activity, Key: []byte(a.User), Value: encode(a)}
}

func encode(record any) []byte {
	b, err := json.Marshal(record)
	if err != nil {
		panic("generate: " + err.Error()) // the two types above always have a JSON form
	}
	return b
}
