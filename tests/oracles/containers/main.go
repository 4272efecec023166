// Answers which credential CRI-O, podman and skopeo (containers/image) and docker's own command
// line would use for an image, by their own code: requests on stdin, one JSON object a line, and
// for each an answer on stdout.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"

	dockerreference "github.com/distribution/reference"
	docker "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/docker/reference"
	containers "go.podman.io/image/v5/pkg/docker/config"
	"go.podman.io/image/v5/pkg/shortnames"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
)

type request struct {
	Image string
	// XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, DOCKER_AUTH_CONFIG; each must be set.
	Environment map[string]string
	// What is .dockercfg in the home folder, if anything is.
	Legacy string
	// The folder of docker's own config.json.
	Docker string
	// registries.conf, if it is asked from where the image is pulled.
	Registries *registries
}

type registries struct {
	File    string
	Folder  string
	Aliases string
}

type answer struct {
	Containers *result `json:"containers,omitempty"`
	Docker     *result `json:"docker,omitempty"`
	Pulls      *pulls  `json:"pulls,omitempty"`
}

type pulls struct {
	// The references in the order in which they are tried; "!" before one that is blocked.
	From []string `json:"from"`
	// The credential helpers.
	Helpers []string `json:"helpers"`
	Error   string   `json:"error"`
}

type result struct {
	// Without tag and digest; empty if it is no image.
	Repository    string `json:"repository"`
	User          string `json:"user"`
	Password      string `json:"password"`
	IdentityToken string `json:"identity_token"`
	Error         string `json:"error"`
}

func main() {
	logrus.SetOutput(io.Discard)
	// The library asks for the home folder once.
	home, err := os.MkdirTemp("", "oracle")
	check(err)
	defer os.RemoveAll(home)
	check(os.Setenv("HOME", home))
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for lines.More() {
		var asked request
		check(lines.Decode(&asked))
		check(os.RemoveAll(home + "/.dockercfg"))
		if asked.Legacy != "" {
			check(os.Symlink(asked.Legacy, home+"/.dockercfg"))
		}
		check(answers.Encode(ask(asked)))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func ask(asked request) answer {
	if asked.Registries != nil {
		return answer{Pulls: askPulls(asked.Image, *asked.Registries)}
	}
	for name, value := range asked.Environment {
		check(os.Setenv(name, value))
	}
	return answer{Containers: askContainers(asked.Image), Docker: askDocker(asked)}
}

func askContainers(image string) *result {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return &result{Error: err.Error()}
	}
	system := &types.SystemContext{
		// What this machine says of credential helpers is not asked for.
		SystemRegistriesConfPath:    os.DevNull,
		SystemRegistriesConfDirPath: "/nonexistent",
	}
	found, err := containers.GetCredentialsForRef(system, named)
	if err != nil {
		return &result{Repository: named.Name(), Error: err.Error()}
	}
	return &result{named.Name(), found.Username, found.Password, found.IdentityToken, ""}
}

func askDocker(asked request) *result {
	named, err := dockerreference.ParseNormalizedNamed(asked.Image)
	if err != nil {
		return &result{Error: err.Error()}
	}
	file, err := docker.Load(asked.Docker)
	// The key of Docker Hub as docker's commands have it; their package cannot be had without the engine's.
	key := dockerreference.Domain(named)
	if key == "docker.io" || key == "index.docker.io" {
		key = "https://index.docker.io/v1/"
	}
	if err != nil {
		// docker's commands show this error and continue, so what DOCKER_AUTH_CONFIG has is still used.
		alone, _ := configfile.New("").GetAuthConfig(key)
		if alone.Username != "" {
			return &result{named.Name(), alone.Username, alone.Password, alone.IdentityToken, ""}
		}
		return &result{Repository: named.Name(), Error: err.Error()}
	}
	found, err := file.GetAuthConfig(key)
	if err != nil {
		return &result{Repository: named.Name(), Error: err.Error()}
	}
	return &result{named.Name(), found.Username, found.Password, found.IdentityToken, ""}
}

func askPulls(image string, conf registries) *pulls {
	system := &types.SystemContext{
		SystemRegistriesConfPath:    conf.File,
		SystemRegistriesConfDirPath: conf.Folder,
		UserShortNameAliasConfPath:  conf.Aliases,
	}
	helpers, err := sysregistriesv2.CredentialHelpers(system)
	if err != nil {
		return &pulls{Error: err.Error()}
	}
	resolved, err := shortnames.Resolve(system, image)
	if err != nil {
		return &pulls{Error: err.Error()}
	}
	found := &pulls{Helpers: helpers}
	for _, candidate := range resolved.PullCandidates {
		sources, err := sources(system, candidate.Value)
		if err != nil {
			return &pulls{Error: err.Error()}
		}
		found.From = append(found.From, sources...)
	}
	return found
}

// What a pull tries for a full name, as newImageSource does it.
func sources(system *types.SystemContext, named reference.Named) ([]string, error) {
	registry, err := sysregistriesv2.FindRegistry(system, named.Name())
	if err != nil {
		return nil, err
	}
	if registry == nil {
		return []string{named.Name()}, nil
	}
	sources, err := registry.PullSourcesFromReference(named)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, source := range sources {
		name := source.Reference.Name()
		found, err := sysregistriesv2.FindRegistry(system, name)
		if err != nil {
			return nil, err
		}
		blocked := ""
		if found != nil && found.Blocked {
			blocked = "!"
		}
		names = append(names, blocked+name)
	}
	return names, nil
}
