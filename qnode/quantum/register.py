"""stand-in"""
import numpy as np
from typing import NamedTuple
S=.5**.5
M={"x":[[0,1],[1,0]],"y":[[0,-1j],[1j,0]],"z":[[1,0],[0,-1]],"h":[[S,S],[S,-S]],"s":[[1,0],[0,1j]],"sdg":[[1,0],[0,-1j]],"t":[[1,0],[0,np.exp(.25j*np.pi)]],"tdg":[[1,0],[0,np.exp(-.25j*np.pi)]],"sx":[[.5+.5j,.5-.5j],[.5-.5j,.5+.5j]],
"cnot":[[1,0,0,0],[0,1,0,0],[0,0,0,1],[0,0,1,0]],"cz":np.diag([1,1,1,-1]),"swap":[[1,0,0,0],[0,0,1,0],[0,1,0,0],[0,0,0,1]]}
M={k:np.array(v,complex) for k,v in M.items()}
def mat(g,p):
    if g in M: return M[g]
    if g=="rx": c,s=np.cos(p[0]/2),np.sin(p[0]/2); return np.array([[c,-1j*s],[-1j*s,c]])
    if g=="ry": c,s=np.cos(p[0]/2),np.sin(p[0]/2); return np.array([[c,-s],[s,c]],complex)
    if g=="rz": return np.diag([np.exp(-.5j*p[0]),np.exp(.5j*p[0])])
    t,f,l=p; c,s=np.cos(t/2),np.sin(t/2); return np.array([[c,-np.exp(1j*l)*s],[np.exp(1j*f)*s,np.exp(1j*(f+l))*c]])
class ComponentState(NamedTuple):
    qubits:tuple; formalism:str; data:bytes
class Register:
    def __init__(self,formalism="auto",max_state_vector_qubits=24): self.c={}
    def create(self,q): self.c[q]=[[q],np.array([1,0],complex)]
    def create_pair(self,a,b): self.c[a]=self.c[b]=[[a,b],np.array([S,0,0,S],complex)]
    def _merge(self,qs):
        c=self.c[qs[0]]
        for q in qs[1:]:
            d=self.c[q]
            if d is not c:
                c=[c[0]+d[0],np.multiply.outer(c[1],d[1]).reshape(-1)]
                for x in c[0]: self.c[x]=c
        return c
    def apply(self,g,qs,p=()): self.apply_unitary(mat(g,p),qs)
    def apply_unitary(self,u,qs):
        c=self._merge(qs); n=len(c[0]); k=[c[0].index(q) for q in qs]; m=len(k)
        v=np.moveaxis(c[1].reshape([2]*n),k,range(m)); sh=v.shape
        v=(u@v.reshape(2**m,-1)).reshape(sh); c[1]=np.moveaxis(v,range(m),k).reshape(-1)
    def measure(self,q,draw,basis="z",keep=False):
        if basis=="x": self.apply("h",(q,))
        if basis=="y": self.apply("sdg",(q,)); self.apply("h",(q,))
        c=self.c.pop(q); k=c[0].index(q); v=c[1].reshape(1<<k,2,-1); p0=np.linalg.norm(v[:,0])**2
        o=0 if draw<p0 else 1
        if (o==0 and p0<1e-12): o=1
        if o==1 and 1-p0<1e-12: o=0
        w=v[:,o].reshape(-1); c[0].pop(k); c[1]=w/np.linalg.norm(w)
        if keep:
            self.create(q)
            if o: self.apply("x",(q,))
            if basis!="z": self.apply("h",(q,))
            if basis=="y": self.apply("s",(q,))
        return o
    def discard(self,q,draw): self.measure(q,draw)
    def reset(self,q,draw): self.measure(q,draw); self.create(q)
    def export(self,q):
        s=self.snapshot(q)
        for x in s.qubits: del self.c[x]
        return s
    def snapshot(self,q): c=self.c[q]; return ComponentState(tuple(c[0]),"state_vector",c[1].tobytes())
    def adopt(self,s):
        c=[list(s.qubits),np.frombuffer(s.data,complex)]
        for q in s.qubits: self.c[q]=c
    def __contains__(self,q): return q in self.c
    def qubits(self): return tuple(self.c)
    def members(self,q): return tuple(self.c[q][0])
    def check_invariants(self): pass
    def reduced_state(self,qs):
        c=self._merge(qs) if len(qs)>1 else self.c[qs[0]]; n=len(c[0]); k=[c[0].index(q) for q in qs]; m=len(k)
        v=np.moveaxis(c[1].reshape([2]*n),k,range(m)).reshape(2**m,-1); return v@v.conj().T
