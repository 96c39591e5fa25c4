// Package examples carries the quickstart in the binary, so that the demo runs
// wherever the binary is.
package examples

import _ "embed"

// QuickstartName is where the quickstart stands in the repository.
const QuickstartName = "examples/quickstart/quickstart.freshet.yaml"

// Quickstart is the spec that the demo runs.
//
//go:embed quickstart/quickstart.freshet.yaml
var Quickstart []byte
