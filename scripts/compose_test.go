package scripts_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// No container engine runs where these tests do, so the compose files are held
// to what can be read from them.

type composeFile struct {
	Services map[string]composeService
	Volumes  map[string]any
}

type composeService struct {
	Image       string
	Build       any
	Ports       []string
	Command     []string
	Environment map[string]any
	Volumes     []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct {
		Test     []string
		Interval string
		Timeout  string
		Retries  int
	}
	ReadOnly bool     `yaml:"read_only"`
	CapDrop  []string `yaml:"cap_drop"`
}

func parse(t *testing.T, text []byte) composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// pinned is a repository with a tag that names one release, down to the patch.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?$`)

// loopback is a published port that nobody outside of the machine reaches.
var loopback = regexp.MustCompile(`^127\.0\.0\.1:(\$\{[A-Z_]+:-[0-9]+\}|[0-9]+):(\$\{[A-Z_]+:-[0-9]+\}|[0-9]+)$`)

func checkServices(t *testing.T, file composeFile, names ...string) {
	t.Helper()
	for _, name := range names {
		s, ok := file.Services[name]
		if !ok {
			t.Errorf("no service %s", name)
			continue
		}
		if s.Build == nil && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned to a release", name, s.Image)
		}
		for _, port := range s.Ports {
			if !loopback.MatchString(port) {
				t.Errorf("%s: port %s is not published on loopback only", name, port)
			}
		}
		h := s.Healthcheck
		if len(h.Test) == 0 || h.Interval == "" || h.Timeout == "" || h.Retries == 0 {
			t.Errorf("%s: its health check is not whole: %+v", name, h)
		}
	}
	kafka := file.Services["kafka"].Environment
	for _, key := range []string{"KAFKA_NODE_ID", "KAFKA_PROCESS_ROLES", "KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_LISTENERS",
		"KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_LISTENER_NAMES", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"} {
		if kafka[key] == nil {
			t.Errorf("kafka: %s is not set", key)
		}
	}
	if kafka["KAFKA_PROCESS_ROLES"] != "broker,controller" {
		t.Errorf("kafka: roles %v, want one node that is both", kafka["KAFKA_PROCESS_ROLES"])
	}
}

func TestComposeBringsUpEverything(t *testing.T) {
	text, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	file := parse(t, text)
	checkServices(t, file, "kafka", "redis", "freshet")
	freshet := file.Services["freshet"]
	for service, condition := range map[string]string{
		"kafka": "service_healthy", "redis": "service_healthy", "topics": "service_completed_successfully",
	} {
		if got := freshet.DependsOn[service].Condition; got != condition {
			t.Errorf("freshet waits for %s: %q, want %q", service, got, condition)
		}
	}
	if !freshet.ReadOnly || len(freshet.CapDrop) != 1 || freshet.CapDrop[0] != "ALL" {
		t.Error("freshet may write to its image, or keeps capabilities")
	}
	for name, s := range file.Services {
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				if _, err := os.Stat(filepath.Join("..", source)); err != nil {
					t.Errorf("%s mounts %s: %v", name, source, err)
				}
			} else if _, ok := file.Volumes[source]; !ok {
				t.Errorf("%s mounts volume %s, which is not declared", name, source)
			}
		}
	}
}

// The variables that compose sets must be settings of the program.
func TestComposeSetsWhatFreshetReads(t *testing.T) {
	text, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../config/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := yaml.Unmarshal(reference, &settings); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	flatten("FRESHET", settings, known)
	freshet := parse(t, text).Services["freshet"].Environment
	for _, name := range []string{"FRESHET_KAFKA_BROKERS", "FRESHET_ONLINE_STORE", "FRESHET_LISTEN", "FRESHET_ENTITY_KEY_SECRET"} {
		if freshet[name] == nil {
			t.Errorf("freshet: %s is not set", name)
		}
	}
	for name := range freshet {
		if !known[name] {
			t.Errorf("freshet: %s is no setting of config/reference.yaml", name)
		}
	}
}

func flatten(prefix string, settings map[string]any, into map[string]bool) {
	for key, value := range settings {
		name := prefix + "_" + strings.ToUpper(key)
		into[name] = true
		if deeper, ok := value.(map[string]any); ok {
			flatten(name, deeper, into)
		}
	}
}

func TestTheTestServicesComposeFile(t *testing.T) {
	text, err := exec.Command("./services", "compose").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := parse(t, text)
	checkServices(t, file, "kafka", "redis")
	if len(file.Services) != 2 {
		t.Errorf("%d services, want kafka and redis only", len(file.Services))
	}
}

func TestTheTestServicesRefuseWhatTheyDoNotKnow(t *testing.T) {
	for _, args := range [][]string{{}, {"start"}} {
		if out, err := exec.Command("./services", args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "usage:") {
			t.Errorf("services %v: %v, %s; want how it is used, and a failure", args, err, out)
		}
	}
}

func TestTheImageIsStaticAndWithoutRights(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	bases := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
	if len(bases) != 2 || !pinned.MatchString(bases[0][1]) || bases[1][1] != "gcr.io/distroless/static-debian12:nonroot" {
		t.Errorf("base images %v: want a pinned golang, then distroless static nonroot", bases)
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "USER 65532", "COPY go.mod go.sum"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in the Dockerfile", want)
		}
	}
}
