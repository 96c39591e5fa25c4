// Package mutants plants bugs in the engine and requires that the judge sees
// each of them. A mutant is a change of text that the compiler is shown by
// -overlay; the files themselves are never touched. It has tests only.
package mutants
