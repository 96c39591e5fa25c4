package features

// Group is the group of the index that a key is in.
func (e *Engine) Group(key string) int { return int(e.hash.key(key).hi >> 56) }

// Texts is how many texts are held.
func (e *Engine) Texts() int { return len(e.texts.numbers) }
