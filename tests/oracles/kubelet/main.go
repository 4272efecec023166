// Answers what the kubelet would offer for an image, by its own code: requests on stdin, one JSON
// object a line, and for each an answer on stdout.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

type request struct {
	Image   string
	Secrets []secret
	// Folders that are searched for config.json, and then those for .dockercfg.
	JSON, Legacy []string
}

type secret struct {
	Name, Type string
	Data       map[string][]byte
}

type answer struct {
	// The name without tag and digest, by which the kubelet looks credentials up.
	Repository  string       `json:"repository"`
	Credentials []credential `json:"credentials"`
	Error       string       `json:"error"`
}

type credential struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func main() {
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for lines.More() {
		var asked request
		if err := lines.Decode(&asked); err != nil {
			log.Fatal(err)
		}
		if err := answers.Encode(ask(asked)); err != nil {
			log.Fatal(err)
		}
	}
}

func ask(asked request) answer {
	repository, _, _, err := parsers.ParseImageName(asked.Image)
	if err != nil {
		return answer{Error: err.Error()}
	}
	node := &credentialprovider.BasicDockerKeyring{}
	node.Add(nil, files(asked))
	var pull []v1.Secret
	for _, found := range asked.Secrets {
		pull = append(pull, v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: found.Name},
			Type:       v1.SecretType(found.Type),
			Data:       found.Data,
		})
	}
	keyring, err := secrets.MakeDockerKeyring(pull, node)
	if err != nil {
		return answer{Repository: repository, Error: err.Error()}
	}
	result := answer{Repository: repository, Credentials: []credential{}}
	found, _ := keyring.Lookup(repository)
	for _, login := range found {
		result.Credentials = append(result.Credentials, credential{login.Username, login.Password})
	}
	return result
}

// The files of the node. An empty list would mean the default paths of this machine.
func files(asked request) credentialprovider.DockerConfig {
	if len(asked.JSON) > 0 {
		if found, err := credentialprovider.ReadDockerConfigJSONFile(asked.JSON); err == nil {
			return found
		}
	}
	if len(asked.Legacy) > 0 {
		if found, err := credentialprovider.ReadDockercfgFile(asked.Legacy); err == nil {
			return found
		}
	}
	return nil
}
