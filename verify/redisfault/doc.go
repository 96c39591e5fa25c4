// Package redisfault breaks a Redis under a running writer: servers of its own
// that are killed, wiped, frozen, filled up and failed over, clusters of them,
// and a reader that watches rows meanwhile. Nothing here judges values: Rows
// dumps what verify/checks compares.
package redisfault
