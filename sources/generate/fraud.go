package generate

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Kind is a kind of injected fraud.
type Kind string

// The kinds of injected fraud.
const (
	// CardTesting tries many stolen cards with tiny amounts at one merchant,
	// from one device.
	CardTesting Kind = "card_testing"
	// ImpossibleTravel uses a card far from where it was a few minutes before.
	ImpossibleTravel Kind = "impossible_travel"
	// AccountTakeover guesses a password, changes it, and buys something dear.
	AccountTakeover Kind = "account_takeover"
	// ArtificialPlays plays the same few tracks, each just long enough to be
	// paid, like a metronome.
	ArtificialPlays Kind = "artificial_plays"
	// CredentialStuffing tries leaked passwords of many users from one address.
	CredentialStuffing Kind = "credential_stuffing"
)

// scripts write an episode that begins at a time: they queue its records.
var scripts = map[Kind]func(*Generator, time.Time){
	CardTesting:        (*Generator).cardTesting,
	ImpossibleTravel:   (*Generator).impossibleTravel,
	AccountTakeover:    (*Generator).accountTakeover,
	ArtificialPlays:    (*Generator).artificialPlays,
	CredentialStuffing: (*Generator).credentialStuffing,
}

// Kinds are all kinds, by name.
func Kinds() []Kind { return slices.Sorted(maps.Keys(scripts)) }

// attacker is a device and an address that no honest user has. The addresses
// are of the ranges that are kept for documentation.
func (g *Generator) attacker() (device, ip string) {
	nets := [...]string{"192.0.2", "198.51.100", "203.0.113"}
	return fmt.Sprintf("dev-x%07x", g.r.Uint32()>>4), fmt.Sprintf("%s.%d", nets[g.r.IntN(len(nets))], 1+g.r.IntN(254))
}

// between is a random duration in [low, high).
func (g *Generator) between(low, high time.Duration) time.Duration {
	return low + time.Duration(g.r.Int64N((high-low).Milliseconds()))*time.Millisecond
}

func (g *Generator) pays(p payment, at time.Time) {
	p.Time = timestamp(at)
	g.arrive(g.payment(p), at)
}

func (g *Generator) does(a activity, at time.Time) {
	a.Time = timestamp(at)
	g.arrive(g.activity(a), at)
}

func (g *Generator) cardTesting(at time.Time) {
	device, ip := g.attacker()
	merchant := merchantID(merchants - 1 - g.r.IntN(merchants/2)) // a quiet one
	for range 15 + g.r.IntN(30) {
		card := g.r.IntN(g.world.cards)
		p := payment{
			Card: cardID(card), User: userID(g.world.owner(card)), Device: device, IP: ip, Merchant: merchant, MCC: "5815",
			Channel: "ecom", Amount: money(50 + g.r.Int64N(149)), Currency: "EUR", Status: "declined", Label: CardTesting,
		}
		if g.r.IntN(5) < 2 {
			p.Status = "approved"
		}
		g.pays(p, at)
		at = at.Add(g.between(2*time.Second, 8*time.Second))
	}
}

func (g *Generator) impossibleTravel(at time.Time) {
	card := g.r.IntN(g.world.cards)
	home := g.world.home(g.world.owner(card))
	abroad := cities[10] // half the world away from most
	if home.country == abroad.country {
		abroad = cities[8]
	}
	p := g.world.paymentOf(g.r, card, at)
	p.Channel, p.Device, p.IP, p.Status = "pos", "", "", "approved"
	p.Lat, p.Lon = degrees(home.lat), degrees(home.lon)
	g.pays(p, at)
	p.Merchant, p.Country, p.Label = merchantID(g.r.IntN(merchants)), abroad.country, ImpossibleTravel
	p.Lat, p.Lon, p.Amount = degrees(abroad.lat), degrees(abroad.lon), money(20_000+g.r.Int64N(60_000))
	g.pays(p, at.Add(g.between(time.Minute, 10*time.Minute)))
}

func (g *Generator) accountTakeover(at time.Time) {
	card := g.r.IntN(g.world.cards)
	user := g.world.owner(card)
	device, ip := g.attacker()
	a := activity{User: userID(user), Device: device, IP: ip, Country: "RO", Label: AccountTakeover}
	step := func(kind string, low, high time.Duration) {
		a.Kind = kind
		g.does(a, at)
		at = at.Add(g.between(low, high))
	}
	for range 3 + g.r.IntN(5) {
		step("login_failed", 2*time.Second, 15*time.Second)
	}
	step("login", 5*time.Second, time.Minute)
	step("password_change", 5*time.Second, time.Minute)
	if g.r.IntN(2) == 0 {
		step("email_change", 5*time.Second, time.Minute)
	}
	for range 1 + g.r.IntN(3) {
		g.pays(payment{
			Card: cardID(card), User: userID(user), Device: device, IP: ip, Merchant: merchantID(g.r.IntN(merchants)), MCC: "5732",
			Channel: "ecom", Amount: money(40_000 + g.r.Int64N(110_000)), Currency: "EUR", Status: "approved", Country: "RO", Label: AccountTakeover,
		}, at)
		at = at.Add(g.between(time.Minute, 5*time.Minute))
	}
}

func (g *Generator) artificialPlays(at time.Time) {
	user := g.r.IntN(g.world.users)
	device, ip := g.attacker()
	own := [2]string{trackID(g.r.IntN(tracks)), trackID(g.r.IntN(tracks))}
	for i := range 60 + g.r.IntN(60) {
		g.does(activity{
			User: userID(user), Device: device, IP: ip, Kind: "play", Country: g.world.home(user).country, Track: own[i%2],
			Played: 30_500 + g.r.IntN(1_500), Label: ArtificialPlays,
		}, at)
		at = at.Add(31*time.Second + g.upTo(400*time.Millisecond))
	}
}

func (g *Generator) credentialStuffing(at time.Time) {
	_, ip := g.attacker()
	for range 30 + g.r.IntN(40) {
		device, _ := g.attacker()
		user := g.r.IntN(g.world.users)
		a := activity{User: userID(user), Device: device, IP: ip, Kind: "login_failed", Country: "RO", Label: CredentialStuffing}
		if g.r.IntN(30) == 0 {
			a.Kind = "login"
		}
		g.does(a, at)
		at = at.Add(g.between(500*time.Millisecond, 5*time.Second))
	}
}
