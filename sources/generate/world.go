package generate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// world is who there is: users with a home, their devices and cards, merchants
// and tracks. Everything about one of them follows from its number, so that
// millions cost no memory.
type world struct {
	cards, users int
	card         *rand.Zipf // who pays: few pay much
	user         *rand.Zipf // who is active
	merchant     *rand.Zipf
	track        *rand.Zipf
}

const (
	merchants = 5_000
	tracks    = 20_000
)

func newWorld(r *rand.Rand, cards, users int) *world {
	return &world{
		cards: cards, users: users,
		card:     rand.NewZipf(r, 1.1, 500, uint64(cards-1)),
		user:     rand.NewZipf(r, 1.1, 500, uint64(users-1)),
		merchant: rand.NewZipf(r, 1.2, 20, merchants-1),
		track:    rand.NewZipf(r, 1.1, 50, tracks-1),
	}
}

// city is a home of users. The first is the most frequent.
type city struct {
	country, currency string
	lat, lon          float64
}

var cities = [...]city{
	{"DE", "EUR", 52.52, 13.405}, {"FR", "EUR", 48.8566, 2.3522}, {"GB", "GBP", 51.5074, -0.1278}, {"DE", "EUR", 48.1351, 11.582},
	{"ES", "EUR", 40.4168, -3.7038}, {"NL", "EUR", 52.3676, 4.9041}, {"US", "USD", 40.7128, -74.006}, {"PL", "PLN", 52.2297, 21.0122},
	{"BR", "BRL", -23.5505, -46.6333}, {"SG", "SGD", 1.3521, 103.8198}, {"JP", "JPY", 35.6762, 139.6503}, {"ZA", "ZAR", -26.2041, 28.0473},
}

// mix spreads a number over 64 bits: the same number, the same bits.
func mix(n int, salt uint64) uint64 {
	x := uint64(n)*0x9e3779b97f4a7c15 + salt
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// owner is the user of a card: with more cards than users, some have several.
func (w *world) owner(card int) int { return card % w.users }

// home is where a user lives: half of all in the first two cities.
func (w *world) home(user int) city {
	x := mix(user, 1) % 100
	if x < 50 {
		return cities[x%2]
	}
	return cities[2+int(x)%(len(cities)-2)]
}

func cardID(n int) string     { return fmt.Sprintf("card-%07d", n) }
func userID(n int) string     { return fmt.Sprintf("user-%07d", n) }
func merchantID(n int) string { return fmt.Sprintf("m-%05d", n) }
func trackID(n int) string    { return fmt.Sprintf("track-%05d", n) }

// device is one of the user's own: most have one, some two or three.
func (w *world) device(r *rand.Rand, user int) string {
	own := 1 + int(mix(user, 2)%10)/7 + int(mix(user, 3)%10)/9
	return fmt.Sprintf("dev-%08x-%d", uint32(mix(user, 4)), r.IntN(own))
}

// ip is that of the user's household, of up to three users. They are private
// addresses: generated traffic must not accuse anyone.
func (w *world) ip(user int) string {
	n := user / 3
	return fmt.Sprintf("10.%d.%d.%d", n>>14&0xff, n>>6&0xff, n&0x3f+1)
}

var mccs = [...]struct {
	code   string
	median float64 // EUR
}{{"5411", 28}, {"5812", 24}, {"5541", 52}, {"5732", 140}, {"4111", 6}, {"5815", 9}, {"5999", 35}, {"7011", 160}, {"5651", 55}, {"4829", 90}}

func (w *world) mcc(merchant int) (code string, median float64) {
	m := mccs[mix(merchant, 5)%uint64(len(mccs))]
	return m.code, m.median
}

// payment is an ordinary one.
func (w *world) payment(r *rand.Rand, at time.Time) payment {
	return w.paymentOf(r, int(w.card.Uint64()), at)
}

// paymentOf is an ordinary payment with a card.
func (w *world) paymentOf(r *rand.Rand, card int, at time.Time) payment {
	user := w.owner(card)
	home := w.home(user)
	merchant := int(w.merchant.Uint64())
	code, median := w.mcc(merchant)
	p := payment{
		Time: timestamp(at), Card: cardID(card), User: userID(user), Merchant: merchantID(merchant), MCC: code,
		Amount: money(max(50, int64(median*100*math.Exp(r.NormFloat64()*0.6)))), Currency: home.currency,
		Status: "approved", Country: home.country,
	}
	if r.IntN(25) == 0 {
		p.Status = "declined"
	}
	switch x := r.IntN(1000); {
	case x < 430:
		p.Channel, p.Device, p.IP = "ecom", w.device(r, user), w.ip(user)
	case x < 980:
		p.Channel = "pos"
	case x < 996:
		p.Channel = "atm"
	default:
		p.Channel = "test" // the quickstart's filter drops it
	}
	if p.Channel != "ecom" { // a till knows where it stands: within two km of home
		p.Lat, p.Lon = degrees(home.lat+r.Float64()*0.03-0.015), degrees(home.lon+r.Float64()*0.03-0.015)
	}
	return p
}

// activity is an ordinary one.
func (w *world) activity(r *rand.Rand, at time.Time) activity {
	user := int(w.user.Uint64())
	a := activity{Time: timestamp(at), User: userID(user), Device: w.device(r, user), IP: w.ip(user), Country: w.home(user).country}
	switch x := r.IntN(1000); {
	case x < 700:
		a.Kind, a.Track = "play", trackID(int(w.track.Uint64()))
		a.Played = 90_000 + r.IntN(150_000)
		if r.IntN(3) == 0 { // skipped
			a.Played = 1_000 + r.IntN(60_000)
		}
	case x < 960:
		a.Kind = "login"
	case x < 985:
		a.Kind = "login_failed"
	case x < 990:
		a.Kind = "password_change"
	case x < 993:
		a.Kind = "email_change"
	default:
		a.Kind = "add_card"
	}
	return a
}
