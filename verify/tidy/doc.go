// Package tidy holds the house in order: who may import whom, how long a file
// and a function may grow, and a few habits that a machine can check. It has
// tests only.
package tidy
