//go:build fault

package fault

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Built says that this build can fail at will.
const Built = true

// arm is one armed place.
type arm struct {
	at     string
	nth    int64
	action string
	passed atomic.Int64
}

// armed are those of the environment, read once.
var armed = sync.OnceValue(func() []*arm {
	var arms []*arm
	for text := range strings.SplitSeq(os.Getenv("FRESHET_FAULT"), ",") {
		if text == "" {
			continue
		}
		parts := strings.Split(text, ":")
		if len(parts) != 3 {
			panic("FRESHET_FAULT: " + text + " is not place:n:action")
		}
		nth, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || nth < 1 {
			panic("FRESHET_FAULT: " + parts[1] + " is no number of a pass")
		}
		arms = append(arms, &arm{at: parts[0], nth: nth, action: parts[2]})
	}
	return arms
})

// At marks a place. What is armed for this pass of it happens here.
func At(place string) {
	for _, a := range armed() {
		if a.at == place && a.passed.Add(1) == a.nth {
			a.do()
		}
	}
}

func (a *arm) do() {
	switch a.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "panic":
		panic("fault: " + a.at)
	default:
		pause, err := time.ParseDuration(a.action)
		if err != nil {
			panic(fmt.Sprintf("FRESHET_FAULT: %s is not kill, stop, panic or a duration", a.action))
		}
		time.Sleep(pause)
	}
}
