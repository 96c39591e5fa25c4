package record

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/sinks"
	"github.com/freshet-dev/freshet/sinks/mask"
)

func deadLetter(t *testing.T, value string, change func(*Refused)) (sinks.Record, DeadLetter) {
	t.Helper()
	s, _ := payments()
	r := &Refused{Source: s.Sources[0], Partition: 3, Offset: 99, Time: 1767614671882, HasTime: true,
		Key: []byte("4242424242424242"), Value: []byte(value), Reason: "schema", Field: "amount", Detail: "is not a decimal(2)", Position: 17}
	if change != nil {
		change(r)
	}
	rec := NewDeadLetters(s, mask.NewTokens(secret)).Encode(r)
	if !json.Valid(rec.Value) {
		t.Fatalf("the payload of %q is no JSON: %s", value, rec.Value)
	}
	dl, ok := ReadDeadLetter(func(name string) string {
		for _, h := range rec.Headers {
			if h.Key == name {
				return string(h.Value)
			}
		}
		return ""
	}, rec.Value)
	if !ok {
		t.Fatalf("cannot read back %+v", rec)
	}
	return rec, dl
}

func TestDeadLetterSaysWhyAndWhere(t *testing.T) {
	rec, dl := deadLetter(t, `{}`, nil)
	if dl.Reason != "schema" || dl.Error != "amount: is not a decimal(2), byte 17" || dl.Source != "transactions" ||
		dl.Partition != 3 || dl.Offset != 99 || dl.Time.UnixMilli() != 1767614671882 || dl.Spec != "sha256:41c9a5e0b1d2" || dl.Attempts != 1 {
		t.Errorf("got %+v", dl)
	}
	if rec.Topic != "payments.transactions.dlq.v1" {
		t.Errorf("topic %s", rec.Topic)
	}
	_, dl = deadLetter(t, "t1,x12\n", func(r *Refused) {
		r.Names, r.Texts, r.Position = []string{"txn_id", "amount"}, []string{"t1", "x12"}, 1
	})
	if dl.Error != "amount: is not a decimal(2), column 2" {
		t.Errorf("of a CSV row: %s", dl.Error)
	}
	if k := string(rec.Key); !strings.HasPrefix(k, "h_") || strings.Contains(k, "4242") {
		t.Errorf("key %s", k)
	}
}

func TestDeadLetterPayloads(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"declared fields are shown, PII as its mask says",
			`{"txn_id":"t1","card_id":"4242424242424242","ip":"10.1.2.3","amount":"x12","tries":3,"present":true,"secret_note":"canary"}`,
			`{"txn_id":"t1","card_id":"••••4242","ip":"10.1.2.0","amount":"x00","tries":3,"present":true,"secret_note":null}`},
		{"values that a declared field cannot have", `{"amount":"Jo Doe","tries":"1,5","present":"2026-01-05T12:00:00Z","lat":"0x1F"}`,
			`{"amount":"xx xxx","tries":"1,5","present":"2026-01-05T12:00:00Z","lat":"0x0x"}`},
		{"undeclared values by their shape, their names if they look like names",
			`{"cardid":"4242 4242","name":"Jo Doe","jo@doe.com":1,"n4242424242424242":2,"nested":{"a":[1.5,"x",null,true]}}`,
			`{"cardid":"0000 0000","name":"xx xxx","xx@xxx.xxx":"0","x0000000000000000":"0","nested":{"a":["0.0","x",null,"xxxx"]}}`},
		{"card numbers in harmless fields", `{"txn_id":"4111 1111-1111.1111","tries":4111111111111111,"amount":"4111111111110000"}`,
			`{"txn_id":"**** ****-****.****","tries":"****************","amount":"4111111111110000"}`},
		{"digits of another script", `{"txn_id":"٤١١١١١١١١١١١١١١١"}`, `{"txn_id":"****************"}`},
		{"everything below a PII field is PII", `{"card_id":{"pan":"4242424242424242","x":["secretword"]}}`,
			`{"card_id":{"pan":"••••4242","x":["xxxxxxxxxx"]}}`},
		{"duplicate keys stay", `{"tries":1,"tries":2}`, `{"tries":1,"tries":2}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if rec, _ := deadLetter(t, tt.value, nil); string(rec.Value) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", rec.Value, tt.want)
			}
		})
	}
}

// Reliability row 37: what cannot be read is summed up, and nothing of it shows.
func TestUnreadablePayloadsAreSummedUp(t *testing.T) {
	for _, value := range []string{"", "card 4242424242424242 of Jo", `{"card_id":"4242424242424242"`, `[1,2]`, `"text"`, `{"a":1}{"b":2}`,
		"\xff\xfe{", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"a":"` + strings.Repeat("x", maxPayload) + `"}`} {
		rec, _ := deadLetter(t, value, nil)
		var got struct {
			Bytes      int
			Hash, Head string
		}
		if err := json.Unmarshal(rec.Value, &got); err != nil {
			t.Fatal(err)
		}
		if got.Bytes != len(value) || !strings.HasPrefix(got.Hash, "h_") || len(got.Head) > maxHead*3 {
			t.Errorf("%.40q: %s", value, rec.Value)
		}
		if strings.Contains(got.Head, "4242") || strings.Contains(got.Head, "card") || strings.Contains(got.Head, "Jo") {
			t.Errorf("the head shows the payload: %s", got.Head)
		}
	}
}

// Reliability row 39: of a huge event nothing but its length leaves.
func TestOversizedRecordsLeaveWithoutPayload(t *testing.T) {
	rec, _ := deadLetter(t, `{"card_id":"4242424242424242","rest":"cut`, func(r *Refused) { r.Oversized = 64 << 20 })
	if string(rec.Value) != `{"bytes":67108864}` {
		t.Errorf("got %s", rec.Value)
	}
}

func TestCSVRowsAreShownByColumn(t *testing.T) {
	rec, _ := deadLetter(t, "t1,4242424242424242,secret", func(r *Refused) {
		r.Names, r.Texts = []string{"txn_id", "card_id", "other"}, []string{"t1", "4242424242424242", "secret"}
	})
	if want := `{"txn_id":"t1","card_id":"••••4242","other":"xxxxxx"}`; string(rec.Value) != want {
		t.Errorf("got %s, want %s", rec.Value, want)
	}
}

// No card number leaves in a dead letter, wherever it stands and however it is
// written; the last four of a field with mask last4 are what its mask shows.
func TestNoCardNumberLeavesInADeadLetter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	templates := []string{`{"txn_id":"%s"}`, `{"tries":%s}`, `{"x":{"y":"%s"}}`, `{"%s":1}`, `{"ip":"%s"}`, `{"amount":"a%sb"}`, `%s`, `{"txn_id":"%s`, `{"x":[%s]}`}
	for range 10000 {
		pan := randomPAN(rng)
		template := templates[rng.IntN(len(templates))]
		written := pan
		if !strings.Contains(template, ":%s}") && !strings.Contains(template, "[%s]") {
			written = spell(rng, pan)
		}
		rec, _ := deadLetter(t, fmt.Sprintf(template, written), nil)
		out := string(rec.Value) + string(rec.Key)
		if strings.Contains(out, written) || strings.Contains(out, pan) {
			t.Fatalf("%s leaves %s in %s", template, written, out)
		}
	}
}

func randomPAN(rng *rand.Rand) string {
	n := minCardDigits + rng.IntN(maxCardDigits-minCardDigits+1)
	digits := make([]int, n)
	for i := range digits {
		digits[i] = rng.IntN(10)
	}
	digits[0] = 1 + rng.IntN(9)
	for d := range 10 {
		if digits[n-1] = d; luhn(digits) {
			break
		}
	}
	var b strings.Builder
	for _, d := range digits {
		b.WriteByte(byte('0' + d))
	}
	return b.String()
}

func spell(rng *rand.Rand, pan string) string {
	sep := []string{"", " ", "-", "."}[rng.IntN(4)]
	var b strings.Builder
	for i, c := range pan {
		if i > 0 && i%4 == 0 {
			b.WriteString(sep)
		}
		b.WriteRune(c)
	}
	return b.String()
}

func TestLuhn(t *testing.T) {
	for text, want := range map[string]bool{"4111111111111111": true, "4111111111110000": false, "378282246310005": true,
		"123": false, "79927398713": false /* too short for a card */, "x4111111111111111y": true, "00004111111111111111": true} {
		if got := hideCardNumbers(text) != text; got != want {
			t.Errorf("%s: hidden %v, want %v", text, got, want)
		}
	}
}

func FuzzDeadLetterPayload(f *testing.F) {
	for _, s := range []string{`{"card_id":"4242424242424242"}`, `{`, ``, `{"a":[{"b":1}]}`, "\xff", `{"a":1e999}`} {
		f.Add([]byte(s))
	}
	s, _ := payments()
	d := NewDeadLetters(s, mask.NewTokens(secret))
	f.Fuzz(func(t *testing.T, value []byte) {
		rec := d.Encode(&Refused{Source: s.Sources[0], Value: value, Reason: "decode", Position: -1})
		if !json.Valid(rec.Value) {
			t.Errorf("%q became %q", value, rec.Value)
		}
	})
}
