package checkpoint

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Key seals files: state holds the keys of entities as they are, and what is
// personal lies nowhere in clear. The zero Key leaves files as they are.
type Key struct {
	secret []byte
	id     string
}

const tagBytes = 16

// KeyFrom derives the key from the secret of a run; the zero Key from none.
func KeyFrom(secret []byte) (Key, error) {
	if len(secret) == 0 {
		return Key{}, nil
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "freshet checkpoint", 32)
	if err != nil {
		return Key{}, err
	}
	id, err := hkdf.Key(sha256.New, secret, nil, "freshet checkpoint key id", 8)
	return Key{key, hex.EncodeToString(id)}, err
}

// ID names the key without telling anything of it; "" is none.
func (k Key) ID() string { return k.id }

func (k Key) set() bool { return len(k.secret) > 0 }

// sealer seals the blocks of one file, under a key of the file's own: so the
// number of a block may be its nonce.
type sealer struct {
	aead cipher.AEAD
	head []byte
	out  []byte
}

func (k Key) sealer(head []byte) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, k.secret, head[atSalt:atSalt+16], "freshet checkpoint file", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{aead: aead, head: head}, err
}

func nonce(n int) []byte {
	b := make([]byte, 12)
	binary.LittleEndian.PutUint64(b, uint64(n))
	return b
}

// seal gives a block as it is stored, until the next one.
func (s *sealer) seal(n int, block []byte) []byte {
	s.out = s.aead.Seal(s.out[:0], nonce(n), block, s.head)
	return s.out
}

// opens reports what is wrong with a block as it is stored.
func (s *sealer) opens(n int, block []byte) (err error) {
	s.out, err = s.aead.Open(s.out[:0], nonce(n), block, s.head)
	return err
}

// open gives the payload of a sealed file, which takes the place of its body.
func (k Key) open(name string, head, body []byte, length int) ([]byte, error) {
	if !k.set() {
		return nil, ErrOtherKey
	}
	s, err := k.sealer(head)
	if err != nil {
		return nil, err
	}
	payload := body[:0]
	for n := 0; len(body) > 0; n++ {
		block := body[:min(blockBytes+tagBytes, len(body))]
		body = body[len(block):]
		opened, err := s.aead.Open(block[:0], nonce(n), block, s.head)
		if err != nil {
			return nil, &Damaged{name, "its seal is broken"}
		}
		payload = append(payload, opened...) // to before it: a block is shorter than what is stored of it
	}
	return payload[:length:length], nil
}
