package spec

import (
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // getHours("Europe/Berlin") must mean the same on a machine without a zone database

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The bounds of an expression. They keep the cost of one evaluation small and
// known: there are no loops, so an expression costs what it has nodes.
const (
	MaxExprBytes = 4096 // of source text
	MaxExprDepth = 32   // of nested operations
	MaxExprNodes = 1024 // operations, names and literals together
)

// earthRadiusKm is the mean radius that haversine_km uses (S31).
const earthRadiusKm = 6371.0088

// The eager forms of || and &&: cel-go's own absorb an error on one side (S17).
const (
	eagerOr  = "@or"
	eagerAnd = "@and"
)

// functionKind says what the promotion does with a call.
type functionKind uint8

const (
	plainFunction   functionKind = iota
	integerFunction              // its result is an int in CEL and is wrapped in double()
	foldedFunction               // max and min: many arguments become nested pairs
	durationLiteral
	timestampLiteral
	zoneFunction // integerFunction with an optional zone literal
	regexFunction
	presenceFunction
)

// functions is the whole vocabulary of calls (S31). What is not here is refused
// by name, so that CEL's larger library cannot be used by accident.
var functions = map[string]functionKind{
	"abs": plainFunction, "floor": plainFunction, "ceil": plainFunction, "round": plainFunction,
	"log": plainFunction, "exp": plainFunction, "sqrt": plainFunction, "pow": plainFunction,
	"max": foldedFunction, "min": foldedFunction,
	"haversine_km": plainFunction, "days": plainFunction, "present": presenceFunction,
	"duration": durationLiteral, "timestamp": timestampLiteral,
	"size": integerFunction, "startsWith": plainFunction, "endsWith": plainFunction,
	"contains": plainFunction, "matches": regexFunction,
	"getFullYear": zoneFunction, "getMonth": zoneFunction, "getDayOfYear": zoneFunction,
	"getDayOfMonth": zoneFunction, "getDate": zoneFunction, "getDayOfWeek": zoneFunction,
	"getHours": zoneFunction, "getMinutes": zoneFunction, "getSeconds": zoneFunction,
	"getMilliseconds": zoneFunction,
}

// celBase is the environment that all scopes share: CEL's standard library
// without macros, and the functions of S31.
func celBase() (*cel.Env, error) {
	env, err := cel.NewEnv(append(mathFunctions(),
		cel.ClearMacros(),
		cel.ParserExpressionSizeLimit(MaxExprBytes),
		cel.ParserRecursionLimit(8*MaxExprDepth), // the grammar nests several rules per operation
		cel.Function("present", cel.Overload("present_any", []*cel.Type{cel.DynType}, cel.BoolType,
			cel.OverloadIsNonStrict(), cel.UnaryBinding(func(v ref.Val) ref.Val {
				return types.Bool(!types.IsUnknownOrError(v))
			}))),
		cel.Function(eagerOr, cel.Overload("eager_or", []*cel.Type{cel.BoolType, cel.BoolType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return a.(types.Bool) || b.(types.Bool) }))),
		cel.Function(eagerAnd, cel.Overload("eager_and", []*cel.Type{cel.BoolType, cel.BoolType}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return a.(types.Bool) && b.(types.Bool) }))),
	)...)
	if err != nil {
		return nil, fmt.Errorf("build the expression environment: %w", err)
	}
	return env, nil
}

func mathFunctions() []cel.EnvOption {
	unary := func(name string, f func(float64) float64) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_double", []*cel.Type{cel.DoubleType}, cel.DoubleType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.Double(f(float64(v.(types.Double)))) })))
	}
	binary := func(name string, f func(a, b float64) float64) cel.EnvOption {
		return cel.Function(name, cel.Overload(name+"_double_double",
			[]*cel.Type{cel.DoubleType, cel.DoubleType}, cel.DoubleType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				return types.Double(f(float64(a.(types.Double)), float64(b.(types.Double))))
			})))
	}
	four := []*cel.Type{cel.DoubleType, cel.DoubleType, cel.DoubleType, cel.DoubleType}
	return []cel.EnvOption{
		unary("abs", math.Abs), unary("floor", math.Floor), unary("ceil", math.Ceil), unary("round", math.Round),
		unary("log", math.Log), unary("exp", math.Exp), unary("sqrt", math.Sqrt),
		binary("pow", math.Pow), binary("max", math.Max), binary("min", math.Min),
		cel.Function("haversine_km", cel.Overload("haversine_km_4", four, cel.DoubleType,
			cel.FunctionBinding(func(a ...ref.Val) ref.Val {
				d := func(i int) float64 { return float64(a[i].(types.Double)) }
				if km := HaversineKm(d(0), d(1), d(2), d(3)); !math.IsNaN(km) {
					return types.Double(km)
				}
				return types.NewErr("not a place on the globe")
			}))),
		cel.Function("days", cel.Overload("days_duration", []*cel.Type{cel.DurationType}, cel.DoubleType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.Double(Days(v.(types.Duration).Duration)) }))),
	}
}

// HaversineKm is the great-circle distance in km between two places in degrees,
// on a sphere of radius 6371.0088 km. It is NaN, which is no value, for a
// latitude beyond ±90 or a longitude beyond ±180 (S31).
func HaversineKm(lat1, lon1, lat2, lon2 float64) float64 {
	if !(math.Abs(lat1) <= 90 && math.Abs(lat2) <= 90 && math.Abs(lon1) <= 180 && math.Abs(lon2) <= 180) {
		return math.NaN()
	}
	const radians = math.Pi / 180
	sinLat := math.Sin((lat2 - lat1) * radians / 2)
	sinLon := math.Sin((lon2 - lon1) * radians / 2)
	h := sinLat*sinLat + math.Cos(lat1*radians)*math.Cos(lat2*radians)*sinLon*sinLon
	return 2 * earthRadiusKm * math.Asin(math.Min(1, math.Sqrt(h)))
}

// Days is a duration in days of 24 hours, with fractions.
func Days(d time.Duration) float64 { return float64(d) / float64(24*time.Hour) }

// celType is the type that a name of type t has in expressions: every number is
// a double.
func celType(t Type) *cel.Type {
	switch t {
	case Int, Double, Decimal:
		return cel.DoubleType
	case Bool:
		return cel.BoolType
	case Timestamp:
		return cel.TimestampType
	case Duration:
		return cel.DurationType
	case List:
		return cel.ListType(cel.StringType)
	}
	return cel.StringType
}

func typeOfCel(t *cel.Type) (Type, bool) {
	for _, candidate := range [...]Type{Double, Bool, String, Timestamp, Duration} {
		if t.IsExactType(celType(candidate)) {
			return candidate, true
		}
	}
	return NoType, false
}

var typeNames = [...]string{"none", "string", "int", "double", "bool", "timestamp", "decimal", "duration", "list", "map"}

// withArticle is the type's name as a sentence has it: an int, a string.
func (t Type) withArticle() string {
	if t == Int {
		return "an int"
	}
	return "a " + t.String()
}

// String is the type's name in the language.
func (t Type) String() string { return typeNames[t] }

// parseZone reads a zone as CEL does: a name of the zone database, or an offset
// such as +02:00.
func parseZone(text string) error {
	if i := strings.IndexByte(text, ':'); i > 0 {
		_, err := time.Parse("-07:00", signed(text))
		return err
	}
	if text == "Local" {
		return fmt.Errorf("the zone of the machine would make values depend on it")
	}
	_, err := time.LoadLocation(text)
	return err
}

func signed(text string) string {
	if text[0] == '+' || text[0] == '-' {
		return text
	}
	return "+" + text
}
