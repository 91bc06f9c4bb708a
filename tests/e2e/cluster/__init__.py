"""A throwaway Kubernetes cluster on this machine: real components, two nodes, four registries, no container engine.

    python -m tests.e2e.cluster up | status | down     (from the root of the repository)

Several can run side by side: ports, names, subnets and folders are each cluster's own.
"""
