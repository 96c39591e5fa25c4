// Package verify holds the judges. Its own tests compare the engine with the
// oracle on random specs and histories; oracle is the second implementation,
// checks are other people's numbers and the checkers of dumps, mutants are bugs
// planted to see the judges catch them.
package verify
