"""stand-in"""
import numpy as np
S=.5**.5
def named_state(n): return {"phi+":np.array([S,0,0,S]),"0":np.array([1,0])}[n]
def fidelity(rho,t):
    if t.ndim==1: return float((t.conj()@rho@t).real)
    return float((np.trace(rho@t)+2*np.sqrt(abs(np.linalg.det(rho)*np.linalg.det(t)))).real)
