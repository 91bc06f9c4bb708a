"""Help text that every plugin shows. Text only: `--help` imports this and nothing else."""

REGISTRY_OPTIONS = """\
      --registry-ca=FILE         Trust these certificates (PEM), too, when registries are asked
      --plain-http=HOST          Ask this registry or token service in plain HTTP, as the nodes do; can be repeated
      --insecure-skip-registry-verify=HOST  Take any certificate of this registry, which lets others read what is
                                 sent to it, credentials included; can be repeated
"""

CONNECTION_OPTIONS = """\
Connection options (as in kubectl):
  -n, --namespace=NAMESPACE      If present, the namespace scope for this CLI request
      --context=NAME             The name of the kubeconfig context to use
      --kubeconfig=FILE          Path to the kubeconfig file to use for CLI requests
      --cluster=NAME             The name of the kubeconfig cluster to use
      --user=NAME                The name of the kubeconfig user to use
  -s, --server=URL               The address and port of the Kubernetes API server
      --token=TOKEN              Bearer token for authentication to the API server
      --as=USER                  Username to impersonate for the operation. User could be a regular user or a
                                 service account in a namespace
      --as-group=GROUP           Group to impersonate for the operation, this flag can be repeated to specify
                                 multiple groups
      --as-uid=UID               UID to impersonate for the operation
      --as-user-extra=KEY=VALUE  User extras to impersonate for the operation, this flag can be repeated to
                                 specify multiple values for the same key
      --request-timeout=TIME     The length of time to wait before giving up on a single server request (e.g. 1s,
                                 2m, 3h; a number alone is seconds). A value of zero means don't timeout requests.
                                 If absent, 10s to connect and 60s without an answer
      --tls-server-name=NAME     Server name to use for server certificate validation. If it is not provided, the
                                 hostname used to contact the server is used
      --insecure-skip-tls-verify  If true, the server's certificate will not be checked for validity. This will
                                 make your HTTPS connections insecure
      --certificate-authority=FILE  Path to a cert file for the certificate authority
      --client-certificate=FILE  Path to a client certificate file for TLS
      --client-key=FILE          Path to a client key file for TLS
  -v, --v=LEVEL                  Number for the log level verbosity; from 6 on, each request is shown
  -h, --help                     Show this help
"""
