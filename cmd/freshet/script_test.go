package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run this binary as freshet.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freshet": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			// What the surroundings say must not decide a test.
			for _, entry := range env.Vars {
				if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FRESHET_") {
					env.Setenv(name, "")
				}
			}
			root, err := os.Getwd()
			env.Setenv("EXAMPLES", root+"/../../examples")
			return err
		},
	})
}
