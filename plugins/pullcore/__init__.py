"""What the three plugins share: image references, the kubelet's keyring, causes, the cluster, the diagnosis."""
