package features

import (
	"slices"

	"github.com/freshet-dev/freshet/features/aggregate"
	"github.com/freshet-dev/freshet/features/window"
)

// States hold the interner's numbers of texts, which another engine has given
// to other texts. In a snapshot such a word is the place of its text, from 1 on,
// among the texts that stand behind the entities of its log and group.

// mentions is where a large state and its blocks hold numbers of texts, beside
// the rows.
type mentions struct {
	words  []mention
	blocks []blockPlan // by logPlan.handles
}

// mention is a word of a state.
type mention struct {
	at     int
	mode   bool // a Mode part that runs, which has the key; else a part that points at an input
	holder bool // the text is held by it
}

// blockPlan is what must hold for the block of a handle, and whether it mentions
// texts.
type blockPlan struct {
	size  int // words; 0: any number, or as many as what it holds needs
	tail  bool
	texts textKind
	with  int // the handle of a block that is there if and only if this one is; 0: none
}

// textKind is how a block mentions texts.
type textKind uint8

const (
	noTexts   textKind = iota
	tailTexts          // inputs of a base that walks
	keyTexts           // a table whose keys are made of numbers
	heldKeys           // the same, of a base, which holds them
	tileTexts          // tiles
)

func (m *mentions) any() bool {
	return len(m.words) > 0 || slices.ContainsFunc(m.blocks, func(b blockPlan) bool { return b.texts != noTexts })
}

// layMentions finds them, once all offsets are known.
func (l *logPlan) layMentions() {
	m := &l.mentions
	m.blocks = make([]blockPlan, len(l.handles))
	if l.atWide > 0 {
		l.blockAt(l.atWide).size = l.fulls
	}
	for _, x := range l.newests {
		if x.text {
			m.words = append(m.words, mention{at: x.at, holder: true})
		}
	}
	for _, k := range l.cursors {
		for _, p := range k.parts {
			l.mentionsOf(k, p)
		}
	}
	for _, x := range l.tables {
		l.blockAt(x.memories).size = len(x.counts) * window.MemoryWords
		l.blockAt(x.sketch).with, l.blockAt(x.memories).with = x.memories, x.sketch
	}
	for _, k := range l.tiling {
		if slices.ContainsFunc(k.tiled, l.tilesText) {
			l.blockAt(l.atTiles).texts = tileTexts
		}
	}
}

// tilesText reports whether tiles hold texts of a part.
func (l *logPlan) tilesText(p *partPlan) bool {
	return (p.part == aggregate.Newest || p.part == aggregate.Oldest) && l.isText(p.lane)
}

func (l *logPlan) mentionsOf(k *cursorPlan, p *partPlan) {
	m, texts := &l.mentions, l.isText(p.lane)
	if k.life != nil && p.part.Walks() {
		b := l.blockAt(p.base)
		if b.tail = p.part.Limited(); !b.tail {
			b.size = p.size()
		}
		if b.tail && texts {
			b.texts = tailTexts
		}
	}
	if !texts {
		return
	}
	runs := !k.scanned && p.runs(k)
	switch {
	case p.part.Points():
		if runs {
			m.words = append(m.words, mention{at: p.run})
		}
		if k.life != nil {
			m.words = append(m.words, mention{at: p.base, holder: true})
		}
	case p.part == aggregate.Mode:
		if runs {
			m.words = append(m.words, mention{at: p.run, mode: true})
			l.blockAt(p.counts[0].at).texts = keyTexts
		}
		if p.census != nil {
			l.blockAt(p.census.at).texts = heldKeys
		}
	}
}

// blockAt is what must hold for the block of the handle at an offset.
func (l *logPlan) blockAt(at int) *blockPlan {
	i := slices.IndexFunc(l.handles, func(h handlePlan) bool { return h.at == at })
	return &l.mentions.blocks[i]
}

// reference is a word of a snapshot that mentions a text.
type reference struct {
	at     int  // among the words
	key    bool // the number is in it as the tables have it
	holder bool // the text is held by it
}

// eachText calls f for every word of a large state in a snapshot that mentions a
// text. Words begin at atFirst of the state; the blocks are behind it.
func (l *logPlan) eachText(words window.Words, f func(reference)) {
	for _, m := range l.mentions.words {
		at := m.at - atFirst
		switch {
		case words.At(at) == 0: // a part of nothing
		case !m.mode:
			f(reference{at: at + 2, holder: m.holder})
		case words.At(at+aggregate.ModeState) == 0:
			f(reference{at: at + aggregate.ModeWord, key: true})
		}
	}
	begin := l.words - atFirst
	for i, h := range l.handles {
		if h.kind == rowsHandle {
			continue
		}
		n := int(words.At(h.at - atFirst))
		l.eachTextOf(l.mentions.blocks[i].texts, words[:8*(begin+n)], begin, f)
		begin += n
	}
}

// eachTextOf is eachText for the words of one block, those from begin on.
func (l *logPlan) eachTextOf(kind textKind, words window.Words, begin int, f func(reference)) {
	n := words.Len() - begin
	if n == 0 {
		return
	}
	switch kind {
	case tailTexts:
		for i := range int(words.At(begin)) {
			f(reference{at: begin + aggregate.TailWordAt(i), holder: true})
		}
	case keyTexts, heldKeys:
		for i := begin; i < begin+n; i += 2 {
			if words.At(i+1) != 0 {
				f(reference{at: i, key: true, holder: kind == heldKeys})
			}
		}
	case tileTexts:
		from := begin + len(l.tileWidths)
		for _, k := range l.tiling {
			to := begin + int(words.At(begin+k.list))
			for at := from; at < to; at += l.tileWidths[k.list] {
				for _, p := range k.tiled {
					if l.tilesText(p) && words.At(at+p.tile) != 0 {
						f(reference{at: at + p.tile + 2, holder: true})
					}
				}
			}
			from = to
		}
	}
}

// eachRowText calls f for every word of rows that mentions a text.
func (l *logPlan) eachRowText(rows window.Words, f func(at int)) {
	for row := 0; row < rows.Len(); row += l.width {
		for _, lane := range l.texts {
			if at := row + l.lanesAt + lane; rows.At(at) != 0 {
				f(at)
			}
		}
	}
}

// named is the texts that a group mentions, by the interner's numbers. They are
// kept themselves: a number may be another text's before the group is done.
type named struct {
	places map[uint64]uint64 // by number: from 1 on
	texts  []string          // by place - 1
}

// place is the place of a text by its number.
func (m *named) place(texts *interner, number uint64) uint64 {
	at, known := m.places[number]
	if !known {
		if m.places == nil {
			m.places = map[uint64]uint64{}
		}
		m.texts = append(m.texts, texts.text(number))
		at = uint64(len(m.texts))
		m.places[number] = at
	}
	return at
}

// reset forgets them.
func (m *named) reset() {
	clear(m.places)
	clear(m.texts)
	m.texts = m.texts[:0]
}

// nameRows turns the numbers of texts in rows of a snapshot into places.
func (l *entityLog) nameRows(e *Engine, rows window.Words) {
	l.plan.eachRowText(rows, func(at int) { rows.Set(at, l.writing.named.place(e.texts, rows.At(at))) })
}

// nameLarge does so in a large state and its blocks.
func (l *entityLog) nameLarge(e *Engine, words window.Words) {
	l.plan.eachText(words, func(r reference) {
		number := words.At(r.at)
		if r.key {
			number = e.hash.unspread(number)
		}
		words.Set(r.at, l.writing.named.place(e.texts, number))
	})
}
