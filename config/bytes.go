package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is an amount of memory; it is written 4GiB, 512MiB or 1048576.
type Bytes int64

var byteUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseBytes(text string) (Bytes, error) {
	number, size := text, int64(1)
	for _, u := range byteUnits {
		if head, found := strings.CutSuffix(text, u.name); found {
			number, size = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/size {
		return 0, fmt.Errorf("%s is not an amount of memory, like 4GiB", quote(text))
	}
	return Bytes(n * size), nil
}

// String is the amount in the largest unit that it is a whole number of.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b != 0 && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
